/**
 * What a bot's container is created with: every field is named here, none is merged in from a request. Pure; the test
 * holds the whole as data. Why each limit is what it is stands beside it.
 */
import { posix } from 'node:path';
import { botHash, volumeName } from '#common/ids.ts';
import { appDir, botUser, buildLabel, dataDir, simpleCommand } from '../../images/dockerfile.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import { type Labels, labelNames } from '../labels.ts';

// Counts as memory of the bot as far as it is filled.
const replacedVolumeBytes = 64 * 1024 * 1024;

/** What an image says of itself, as far as it matters here: its USER and its VOLUMEs. */
export interface ImageFacts {
  readonly user: string;
  readonly volumes: readonly string[];
}

/** Body of POST /containers/create. `image` is only looked at for a plan that runs what the image says. */
export function containerOptions(plan: ContainerPlan, labels: Labels, network: string, image?: ImageFacts) {
  return {
    Image: plan.image,
    ...runOptions(plan, image),
    Env: Object.entries(plan.env.reveal()).map(([name, value]) => `${name}=${value}`),
    Hostname: botHash(plan.key),
    // Images hand their labels down: the build's label would make this container look like a step of a build.
    Labels: { [buildLabel]: '', ...labels },
    // A health check of the image would use the bot's CPU time and tell nothing that is asked for.
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGTERM',
    StopTimeout: 10,
    Tty: false,
    OpenStdin: false,
    HostConfig: {
      NetworkMode: network,
      // The supervisor restarts: the engine's own policies lose or revive containers when the engine itself restarts.
      RestartPolicy: { Name: 'no' },
      // Exit code and last lines are read after the end.
      AutoRemove: false,
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: [],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: false,
      // An init as first process passes SIGTERM on and reaps; a first process without a handler would ignore SIGTERM.
      Init: true,
      PidsLimit: 128,
      Memory: plan.memoryBytes,
      // Equal to Memory: no swap. Unset would allow as much swap as memory.
      MemorySwap: plan.memoryBytes,
      NanoCpus: plan.cpuMillis * 1_000_000,
      ShmSize: 64 * 1024 * 1024,
      Ulimits: [
        { Name: 'nofile', Soft: 4096, Hard: 4096 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      IpcMode: 'private',
      CgroupnsMode: 'private',
      PublishAllPorts: false,
      Mounts: [
        {
          Type: 'volume',
          Source: volumeName(plan.key),
          Target: dataDir,
          ReadOnly: false,
          VolumeOptions: { Labels: ownerLabels(plan) },
        },
        ...(plan.run.kind === 'image' ? replacedVolumes(image?.volumes ?? []) : []),
      ],
    },
  };
}

function runOptions({ run }: ContainerPlan, image: ImageFacts | undefined) {
  // Command, entrypoint and folder stay the image's own.
  if (run.kind === 'image') return { User: userOf(image?.user ?? '') };
  return { Cmd: simpleCommand(run.language, run.entrypoint), WorkingDir: appDir, User: botUser };
}

/** The image's user unless that is root, in any spelling of the number 0 that the engine takes. */
export function userOf(imageUser: string): string {
  const [name = ''] = imageUser.split(':');
  return name === '' || name === 'root' || /^[+-]?0+$/.test(name) ? botUser : imageUser;
}

/** The engine would make a volume of unlimited size for each; a bot keeps what it wants to keep in its data folder. */
function replacedVolumes(volumes: readonly string[]) {
  const targets = new Set(volumes.map((path) => posix.resolve('/', path)));
  return [...targets]
    .filter((target) => target !== dataDir && target !== '/')
    .map((target) => ({
      Type: 'tmpfs',
      Target: target,
      TmpfsOptions: { SizeBytes: replacedVolumeBytes, Mode: 0o1777 },
    }));
}

/** Labels of what belongs to a bot and is no container: its volume and its images. They identify, they prove nothing. */
export const ownerLabels = ({ key, workerId }: Pick<ContainerPlan, 'key' | 'workerId'>): Labels => ({
  [labelNames.marker]: 'true',
  [labelNames.userId]: key.userId,
  [labelNames.botId]: key.botId,
  [labelNames.workerId]: workerId,
});
