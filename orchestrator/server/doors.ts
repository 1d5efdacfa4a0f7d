/** All doors of the orchestrator on one request handler: Connect, gRPC and gRPC-Web by procedure, REST for the rest. */
import type { DescMethod } from '@bufbuild/protobuf';
import { Doorway } from '#common/waiting/doorway.ts';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import { applyCors, type CorsOrigins } from './cors.ts';
import { guard } from './guard.ts';
import type { Handler } from './port.ts';
import { createRestHandler, type RestDeps } from './rest/routes.ts';
import { type AdminServiceDeps, createAdminService } from './rpc/admin-service.ts';
import { type ArtifactServiceDeps, createArtifactService } from './rpc/artifact-service.ts';
import { type BotServiceDeps, createBotService } from './rpc/bot-service.ts';
import { createHealthService } from './rpc/health-service.ts';
import { createJobService, type JobServiceDeps } from './rpc/job-service.ts';
import { createProcedures, served } from './rpc/procedures.ts';
import { createReflectionService } from './rpc/reflection-service.ts';
import { createDirectSession, createWorkerService, type WorkerServiceDeps } from './rpc/worker-service.ts';

const own = [AdminService, JobService, BotService, ArtifactService, WorkerService] as const;

export type DoorsDeps = JobServiceDeps &
  BotServiceDeps &
  ArtifactServiceDeps &
  WorkerServiceDeps &
  AdminServiceDeps &
  Omit<RestDeps, 'smallMaxBytes' | 'doorway'> & { readonly corsOrigins: CorsOrigins };

const kib = 1024;
/** For calls that carry no source. */
const smallMaxBytes = 256 * kib;
// Each takes about half a millisecond, and others have their turn after so many.
const watchersPerTurn = 4;

export interface Ending {
  /** Makes health checks report that the server is about to end. */
  readonly draining: AbortSignal;
  /** Ends every call that is under way, with its reason. */
  readonly shutdown: AbortSignal;
}

export function createDoors(deps: DoorsDeps, { draining, shutdown }: Ending): Handler {
  // Calls that carry a source or, between our own programs, all that a worker has.
  const large = new Set<DescMethod>([
    JobService.method.createJob,
    BotService.method.startBot,
    BotService.method.updateBot,
    BotService.method.checkDeploy,
    ArtifactService.method.uploadArtifact,
    WorkerService.method.session,
    WorkerService.method.tailLogs,
  ]);
  const doorway = new Doorway(watchersPerTurn, (error) =>
    deps.logger.error({ err: error }, 'letting watchers in failed'),
  );
  const procedures = createProcedures({
    ...deps,
    doorway,
    services: [
      served(JobService, createJobService(deps), 'client'),
      served(BotService, createBotService(deps), 'client'),
      served(ArtifactService, createArtifactService(deps), 'client'),
      served(WorkerService, createWorkerService(deps), 'worker'),
      served(AdminService, createAdminService(deps), 'admin'),
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
    direct: [createDirectSession(deps)],
    rulesOf: (method) => ({
      messageMaxBytes: large.has(method) ? deps.maxBodyBytes : smallMaxBytes,
      ownReader: method === JobService.method.submitJobs,
      boundValues: method.parent !== WorkerService && method !== ArtifactService.method.uploadArtifact,
    }),
    shutdown,
  });
  const rest = createRestHandler({ ...deps, smallMaxBytes, doorway }, shutdown);
  return guard(
    {
      handle: async (request, response, target) => {
        if (applyCors(deps.corsOrigins, request, response)) return;
        await (procedures.takes(request, target)
          ? procedures.handle(request, response, target)
          : rest.handle(request, response));
      },
      refuse: (request, response, problem) =>
        procedures.takes(request, { path: request.url ?? '', query: '' })
          ? procedures.refuse(request, response, problem)
          : rest.refuse(request, response, problem),
    },
    deps.logger,
  );
}
