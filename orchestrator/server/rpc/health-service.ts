/** grpc.health.v1.Health for all services of this server. */
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { whenAborted } from '#common/waiting/abort.ts';
import { type Health, HealthCheckResponse_ServingStatus as Status } from '#gen/grpc/health/v1/health_pb.js';

/** From `draining` on, and while not `isWell`, checks say NOT_SERVING, as does every watch from `draining` on. A watch ends with its call, and says how. */
export function createHealthService(
  services: readonly string[],
  draining: AbortSignal,
  isWell: () => boolean,
): ServiceImpl<typeof Health> {
  const known = new Set(['', ...services]);
  const now = () => (draining.aborted || !isWell() ? Status.NOT_SERVING : Status.SERVING);
  return {
    check({ service }) {
      if (!known.has(service)) throw new ConnectError(`there is no service ${service.slice(0, 200)}`, Code.NotFound);
      return { status: now() };
    },
    async *watch({ service }, { signal }) {
      yield { status: known.has(service) ? now() : Status.SERVICE_UNKNOWN };
      await whenAborted(signal, draining);
      if (!signal.aborted) yield { status: Status.NOT_SERVING };
      await whenAborted(signal);
    },
  };
}
