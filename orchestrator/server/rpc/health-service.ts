/** grpc.health.v1.Health for all services of this server. */
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type Health, HealthCheckResponse_ServingStatus as Status } from '#gen/grpc/health/v1/health_pb.js';

/** `stopping` ends watches after telling them NOT_SERVING. */
export function createHealthService(services: readonly string[], stopping: AbortSignal): ServiceImpl<typeof Health> {
  const known = new Set(['', ...services]);
  const now = () => (stopping.aborted ? Status.NOT_SERVING : Status.SERVING);
  return {
    check({ service }) {
      if (!known.has(service)) throw new ConnectError(`there is no service ${service.slice(0, 200)}`, Code.NotFound);
      return { status: now() };
    },
    async *watch({ service }, { signal }) {
      yield { status: known.has(service) ? now() : Status.SERVICE_UNKNOWN };
      await new Promise<void>((resolve) => {
        for (const end of [signal, stopping]) {
          if (end.aborted) resolve();
          end.addEventListener('abort', () => resolve(), { once: true });
        }
      });
      if (!signal.aborted) yield { status: Status.NOT_SERVING };
    },
  };
}
