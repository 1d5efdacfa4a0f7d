/** All doors of the orchestrator on one request handler: Connect, gRPC and gRPC-Web by procedure, REST for the rest. */
import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Doorway } from '#common/waiting/doorway.ts';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import type { Scope } from '../core/records.ts';
import type { Admission, CallTerms } from './admission/admission.ts';
import type { BodyKind } from './admission/body-kinds.ts';
import { applyCors, type CorsOrigins } from './cors.ts';
import { guard } from './guard.ts';
import type { Handler } from './port/port.ts';
import { createRestHandler, type RestDeps } from './rest/routes.ts';
import { type AdminServiceDeps, createAdminService } from './rpc/admin-service.ts';
import { type ArtifactServiceDeps, createArtifactService } from './rpc/artifact-service.ts';
import { type BotServiceDeps, createBotService } from './rpc/bot-service.ts';
import { createHealthService } from './rpc/health-service.ts';
import { createJobService, type JobServiceDeps } from './rpc/job-service.ts';
import { createProcedures, served } from './rpc/procedures.ts';
import { createReflectionService } from './rpc/reflection-service.ts';
import {
  createDirectSession,
  createDirectTail,
  createWorkerService,
  type WorkerServiceDeps,
} from './rpc/worker-service.ts';

const own = [AdminService, JobService, BotService, ArtifactService, WorkerService] as const;

export type DoorsDeps = JobServiceDeps &
  BotServiceDeps &
  ArtifactServiceDeps &
  WorkerServiceDeps &
  AdminServiceDeps &
  Omit<RestDeps, 'doorway'> & {
    readonly corsOrigins: CorsOrigins;
    /** Whether to send HSTS, so that browsers use nothing but TLS: https://www.rfc-editor.org/rfc/rfc6797. */
    readonly hsts: boolean;
  };

// Each takes about half a millisecond, and others have their turn after so many.
const watchersPerTurn = 4;

export interface Ending {
  /** Makes health checks report that the server is about to end. */
  readonly draining: AbortSignal;
  /** Ends every call that is under way, with its reason. */
  readonly shutdown: AbortSignal;
}

export function createDoors(deps: DoorsDeps, admission: Admission, { draining, shutdown }: Ending): Handler {
  const doorway = new Doorway(watchersPerTurn, (error) =>
    deps.logger.error({ err: error }, 'letting watchers in failed'),
  );
  const procedures = createProcedures({
    ...deps,
    doorway,
    services: [
      served(JobService, createJobService(deps)),
      served(BotService, createBotService(deps)),
      served(ArtifactService, createArtifactService(deps)),
      served(WorkerService, createWorkerService(deps)),
      served(AdminService, createAdminService(deps)),
      served(
        Health,
        createHealthService(
          own.map(({ typeName }) => typeName),
          draining,
          () => deps.store.trouble() === undefined,
        ),
      ),
      served(ServerReflection, createReflectionService([...own, Health, ServerReflection])),
    ],
    direct: [createDirectSession(deps), createDirectTail(deps)],
    termsOf,
    shutdown,
  });
  const rest = createRestHandler({ ...deps, doorway }, shutdown);
  return guard(
    {
      handle: async (request, response, target, connection) => {
        if (deps.hsts) response.setHeader('strict-transport-security', 'max-age=31536000');
        if (applyCors(deps.corsOrigins, request, response)) return;
        const call = procedures.takes(request, target)
          ? procedures.find(request, response, target)
          : rest.find(request, response);
        const admitted = admission.admit({ request, response, connection }, call);
        if (!admitted.ok) return call.refuse(admitted.problem);
        try {
          await call.handle(admitted.value);
        } finally {
          admitted.value.large?.end();
        }
      },
      refuse: (request, response, problem) =>
        procedures.takes(request, { path: request.url ?? '', query: '' })
          ? procedures.refuse(request, response, problem)
          : rest.find(request, response).refuse(problem),
    },
    deps.logger,
  );
}

/** By service, what its calls need; the others are open to everybody. */
const scopeOf = new Map<DescService, Scope>([
  [JobService, 'client'],
  [BotService, 'client'],
  [ArtifactService, 'client'],
  [WorkerService, 'worker'],
  [AdminService, 'admin'],
]);

/** The calls whose bodies are not small. */
const bodyOf = new Map<DescMethod, BodyKind>([
  [JobService.method.createJob, 'source'],
  [BotService.method.startBot, 'source'],
  [BotService.method.updateBot, 'source'],
  [BotService.method.configureBot, 'source'],
  [BotService.method.checkDeploy, 'source'],
  [ArtifactService.method.uploadArtifact, 'upload'],
  [JobService.method.submitJobs, 'jobs'],
  [WorkerService.method.session, 'worker'],
  [WorkerService.method.tailLogs, 'worker'],
]);

function termsOf(method: DescMethod): CallTerms {
  const scope = scopeOf.get(method.parent);
  if (method === Health.method.check) return { scopes: undefined, body: 'open', isHealthCheck: true };
  if (scope === undefined) return { scopes: undefined, body: 'open' };
  return { scopes: [scope], body: bodyOf.get(method) ?? 'small' };
}
