/** All doors of the orchestrator on one request handler: Connect, gRPC and gRPC-Web by procedure, REST for the rest. */
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import type { Handler } from './port.ts';
import { createRestHandler, type RestDeps } from './rest/routes.ts';
import { type AdminServiceDeps, createAdminService } from './rpc/admin-service.ts';
import { type ArtifactServiceDeps, createArtifactService } from './rpc/artifact-service.ts';
import { type BotServiceDeps, createBotService } from './rpc/bot-service.ts';
import { createHealthService } from './rpc/health-service.ts';
import { createJobService, type JobServiceDeps } from './rpc/job-service.ts';
import { createReflectionService } from './rpc/reflection-service.ts';
import { createWorkerService, type WorkerServiceDeps } from './rpc/worker-service.ts';

const own = [AdminService, JobService, BotService, ArtifactService, WorkerService] as const;

export type DoorsDeps = JobServiceDeps &
  BotServiceDeps &
  ArtifactServiceDeps &
  WorkerServiceDeps &
  AdminServiceDeps &
  RestDeps;

/** `shutdown` ends every call that is under way. */
export function createDoors(deps: DoorsDeps, shutdown: AbortSignal): Handler {
  return connectNodeAdapter({
    routes: (router) => {
      router.service(JobService, createJobService(deps));
      router.service(BotService, createBotService(deps));
      router.service(ArtifactService, createArtifactService(deps));
      router.service(WorkerService, createWorkerService(deps));
      router.service(AdminService, createAdminService(deps));
      router.service(
        Health,
        createHealthService(
          own.map(({ typeName }) => typeName),
          shutdown,
        ),
      );
      router.service(ServerReflection, createReflectionService([...own, Health, ServerReflection]));
    },
    fallback: createRestHandler(deps, shutdown),
    // gzip of every message over 1 KiB made dispatch 3 times and log tailing 6 times slower.
    acceptCompression: [],
    readMaxBytes: deps.maxBodyBytes,
    shutdownSignal: shutdown,
  });
}
