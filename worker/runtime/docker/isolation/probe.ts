/**
 * Looks from inside a container like a bot's at what keeps it in: whether the limits are really set, system calls filtered, root
 * another user outside, the kernel another one. It trusts nothing that the engine says of itself.
 */
import { record } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasImage } from '../images.ts';
import { removeLeftovers, runShortly } from '../short-run.ts';
import { isSandbox } from './engine-facts.ts';

/** What was seen; undefined where that could not be read. */
export interface Seen {
  readonly memoryBytes: number | undefined;
  readonly cpuMillis: number | undefined;
  readonly pids: number | undefined;
  /** System calls are filtered; 0 when not. */
  readonly seccomp: number | undefined;
  readonly noNewPrivileges: boolean | undefined;
  /** Capabilities in effect: a number in hexadecimal digits. */
  readonly capabilities: string | undefined;
  /** The user of the host that root of the container is. */
  readonly rootOutside: number | undefined;
  /** The release of the kernel. */
  readonly kernel: string | undefined;
  /** The kernel's own switch for io_uring: 2 is off for everybody; undefined in kernels that have none. */
  readonly ringsOff: number | undefined;
  /** It could use more memory than it has; undefined where that was not tried, because the limit could be read. */
  readonly ateMore?: boolean;
}

/** What the container of the probe is given: as many processes as a bot, because a sandbox needs dozens for itself. */
export const probeLimits = { memoryBytes: 64 * 1024 * 1024, cpuMillis: 500, pids: 128 } as const;

const runMs = 60_000;
/** Of the container; the value is the worker. */
const probeLabel = 'bot_runner.probe';

const files = [
  '/proc/version',
  '/proc/self/status',
  '/proc/self/uid_map',
  '/proc/sys/kernel/io_uring_disabled',
  '/sys/fs/cgroup/memory.max',
  '/sys/fs/cgroup/cpu.max',
  '/sys/fs/cgroup/pids.max',
  '/sys/fs/cgroup/memory/memory.limit_in_bytes',
  '/sys/fs/cgroup/cpu/cpu.cfs_quota_us',
  '/sys/fs/cgroup/cpu/cpu.cfs_period_us',
  '/sys/fs/cgroup/pids/pids.max',
] as const;

/** Every image that has a shell can run it. */
const program = files.map((file) => `echo '== ${file}'; cat ${file} 2>/dev/null`).join('; ');

export interface ProbeDeps {
  readonly engine: EngineClient;
  readonly workerId: string;
  /** Images with a shell; the first that the engine has is used. */
  readonly images: readonly string[];
  readonly runtimeClass: string | undefined;
}

/** The first of the images that the engine has. */
export async function firstImage(
  engine: EngineClient,
  images: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const image of images) if (await hasImage(engine, image, signal)) return image;
  return undefined;
}

/**
 * Undefined when the engine has none of the images. Throws EngineRefusal when it makes or starts no such container,
 * EngineUnavailableError when it does not answer.
 */
export async function probeIsolation(deps: ProbeDeps, signal: AbortSignal): Promise<Seen | undefined> {
  const { engine, workerId, images, runtimeClass } = deps;
  const image = await firstImage(engine, images, signal);
  if (image === undefined) return undefined;
  await removeLeftovers(engine, { label: [`${probeLabel}=${workerId}`] }, signal);
  const run = (script: string) =>
    runShortly(engine, { body: probeBody(deps, image, script), timeoutMs: runMs }, signal);
  const seen = readProbe((await run(`${program}; true`)).output);
  if (!isSandbox(runtimeClass)) return seen;
  // A sandbox shows a bot what it likes of limits: they are set around it, on the host.
  const { output } = await run(`head -c ${eatenBytes} /dev/zero | tail | wc -c`);
  return { ...seen, ateMore: output.includes(String(eatenBytes)) };
}

/** More than the container may have. */
const eatenBytes = 100_000_000;

function probeBody({ workerId, runtimeClass }: ProbeDeps, image: string, script: string) {
  return {
    Image: image,
    Entrypoint: ['sh'],
    Cmd: ['-c', script],
    WorkingDir: '/',
    User: '10001:10001',
    Labels: { [probeLabel]: workerId },
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...(runtimeClass !== undefined && { Runtime: runtimeClass }),
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: true,
      Init: true,
      PidsLimit: probeLimits.pids,
      Memory: probeLimits.memoryBytes,
      MemorySwap: probeLimits.memoryBytes,
      NanoCpus: probeLimits.cpuMillis * 1_000_000,
      IpcMode: 'private',
      CgroupnsMode: 'private',
    },
  };
}

/** From what the program printed. */
export function readProbe(output: string): Seen {
  const parts = record(
    Object.fromEntries(
      output.split(/^== /m).map((part) => {
        const end = part.indexOf('\n');
        return [part.slice(0, end), part.slice(end + 1).trim()];
      }),
    ),
  );
  const of = (file: (typeof files)[number]): string => (typeof parts[file] === 'string' ? parts[file] : '');
  const number = (word: string | undefined): number | undefined =>
    word !== undefined && /^\d{1,18}$/.test(word) ? Number(word) : undefined;
  const status = new Map(
    of('/proc/self/status')
      .split('\n')
      .map((line) => {
        const [name = '', value = ''] = line.split(/:\s*/, 2);
        return [name, value] as const;
      }),
  );
  const statusOf = (name: string): string | undefined => status.get(name);
  const [quota, period] = of('/sys/fs/cgroup/cpu.max').split(/\s+/);
  const quotaUs = number(quota) ?? number(of('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'));
  const periodUs = number(period) ?? number(of('/sys/fs/cgroup/cpu/cpu.cfs_period_us'));
  const newPrivileges = statusOf('NoNewPrivs');
  const [, outside] = /^0\s+(\d+)\s/.exec(of('/proc/self/uid_map')) ?? [];
  return {
    memoryBytes: number(of('/sys/fs/cgroup/memory.max')) ?? number(of('/sys/fs/cgroup/memory/memory.limit_in_bytes')),
    cpuMillis: quotaUs !== undefined && periodUs ? Math.round((quotaUs * 1000) / periodUs) : undefined,
    pids: number(of('/sys/fs/cgroup/pids.max')) ?? number(of('/sys/fs/cgroup/pids/pids.max')),
    seccomp: number(statusOf('Seccomp')),
    noNewPrivileges: newPrivileges === undefined ? undefined : newPrivileges === '1',
    capabilities: statusOf('CapEff'),
    rootOutside: number(outside),
    ringsOff: number(of('/proc/sys/kernel/io_uring_disabled')),
    kernel: /^Linux version (\S{1,100})/.exec(of('/proc/version'))?.[1],
  };
}
