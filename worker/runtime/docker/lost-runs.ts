/**
 * Runs that the engine does not know of. An engine that ends in the middle of a start, by a crash, an upgrade or a restart, may have
 * had the program started by its containerd without having written that down: afterwards it says of the container that it was only
 * created, or is still exited. Docker 20.10 refuses to start it again; every version removes it when asked to, and leaves the program
 * running, with its volumes and its token, where no engine can find it any more.
 *
 * So before a container is removed of which the engine says that it does not run, and which was not seen to be as it says, whatever
 * is in its control group is ended, and the shim that holds it, by a short-lived container that sees the processes of the host.
 * Podman has no such engine: the state of its containers is that of their processes.
 */
import type { Logger } from '#common/log.ts';
import { problem } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { asFailure } from '../../failures/chances.ts';
import type { RunTools } from './disk/run-tools.ts';
import type { FindToolsImage } from './disk/tools-image.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

export interface LostRuns {
  /**
   * Ends what runs in a container of which the engine says that it does not run; resolves when nothing does. CONTAINER_ERROR, to be
   * tried again, for what does not end. Where nobody can look, the same if it `isCertain` that something runs, because the engine has
   * refused to start the container; a run that is only possible is left to itself then, with a line in the log.
   */
  end(containerId: string, isCertain: boolean, signal: AbortSignal): Promise<void>;
}

export interface LostRunsDeps {
  readonly engine: EngineClient;
  readonly run: RunTools;
  readonly findTools: FindToolsImage;
  readonly logger: Logger;
}

interface Outcome {
  /** Why nobody could look, in words that follow "because "; undefined when somebody did. */
  readonly why: string | undefined;
  /** Containers whose processes do not end. */
  readonly left: ReadonlySet<string>;
}

const runMs = 60_000;
const idsMax = 64;

export function createLostRuns(deps: LostRunsDeps): LostRuns {
  const { engine, logger } = deps;
  let last: Promise<unknown> = Promise.resolve();
  let next: { readonly ids: Set<string>; readonly done: Promise<Outcome> } | undefined;
  // One run at a time, for all who have asked since it began.
  const ask = (id: string): Promise<Outcome> => {
    if (next === undefined || next.ids.size >= idsMax) {
      const ids = new Set<string>();
      const batch = {
        ids,
        done: last.then(() => {
          if (next === batch) next = undefined;
          return endAll(deps, [...ids], AbortSignal.timeout(runMs));
        }),
      };
      next = batch;
      last = batch.done.catch(() => {}); // told to those who wait for it
    }
    next.ids.add(id);
    return next.done;
  };
  let told = '';
  return {
    async end(containerId, isCertain, signal) {
      if ((await engine.kind(signal)) === 'podman') return;
      const { why, left } = await orAbort(signal, ask(containerId));
      if (left.has(containerId)) throw runsOn('they do not end on SIGKILL');
      if (why === undefined) return;
      if (isCertain) throw runsOn(why);
      if (told !== why) {
        logger.warn(
          { container: containerId, reason: why },
          'it cannot be seen whether a container runs of which the engine says that it does not',
        );
      }
      told = why;
    },
  };
}

const runsOn = (why: string) =>
  asFailure(
    problem('CONTAINER_ERROR', 'The container engine has lost track of a run of the bot.', {
      hint: `The operator ends the processes of the container on the engine's host; the worker cannot, because ${why}.`,
    }),
    'again',
  );

async function endAll(
  { engine, run, findTools, logger }: LostRunsDeps,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Outcome> {
  const tools = await findTools(engine, signal);
  const none: ReadonlySet<string> = new Set();
  if ('why' in tools) return { why: tools.why, left: none };
  // Signals reach processes of containers, which engines confine, and the shim, which they do not.
  const SecurityOpt = ['no-new-privileges:true', 'label=disable', 'apparmor=unconfined'];
  const host = { PidMode: 'host', CgroupnsMode: 'host', CapAdd: ['KILL'], SecurityOpt };
  try {
    const { code, output } = await run(tools, { script: endScript, args: ids, timeoutMs: runMs, host }, signal);
    const { ended, left } = readEnds(output);
    if (ended.size > 0) {
      logger.warn(
        { containers: [...ended] },
        'the engine was ended in the middle of a start and did not know that the container runs: its processes were ended',
      );
    }
    return { why: code === 0 ? undefined : `the container that looks for them ended with ${code}`, left };
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error;
    return { why: `the engine refuses the container that looks for them: ${error.text.slice(0, 200)}`, left: none };
  }
}

const roundsMax = 200;

/**
 * Arguments: whole ids of containers. Prints "ended ID" for each process that it has ended, and "left ID" where one is still there. The
 * shims are those from before: one that tidies up after a dead one has the id too, and is needed. With its shim, a container is gone
 * from containerd.
 */
const endScript = `
lives() {
  read -r stat < "$1/stat" || return 1
  case "\${stat##*) }" in Z* | X*) return 1 ;; esac
} 2>/dev/null
for id in "$@"; do
  shims=
  for file in $(grep -las -- "$id" /proc/[0-9]*/cmdline); do
    dir=\${file%/cmdline}
    name=
    read -r name 2>/dev/null < "$dir/comm"
    case $name in containerd-shim*) shims="$shims \${dir#/proc/}" ;; esac
  done
  round=0
  while :; do
    found=
    for file in $(grep -ls -- "$id" /proc/[0-9]*/cgroup); do
      dir=\${file%/cgroup}
      lives "$dir" || continue
      found=yes
      [ $round -gt 0 ] || echo "ended $id"
      kill -9 "\${dir#/proc/}" 2>/dev/null
    done
    [ -n "$found" ] || break
    round=$((round + 1))
    [ $round -lt ${roundsMax} ] || { echo "left $id"; break; }
  done
  for shim in $shims; do kill -9 $shim 2>/dev/null; done
done
exit 0
`;

/** What the script has printed. Pure. */
export function readEnds(output: string): { readonly ended: ReadonlySet<string>; readonly left: ReadonlySet<string> } {
  const idsOf = (word: string) => {
    const lines = output.split('\n').map((line) => line.trim().split(' '));
    return new Set(lines.flatMap(([first, id]) => (first === word && id !== undefined ? [id] : [])));
  };
  return { ended: idsOf('ended'), left: idsOf('left') };
}
