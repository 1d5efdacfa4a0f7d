/** Why no engine answers at an address, and what to do about it: one clause and one sentence, each for the engine meant. */
import { stat } from 'node:fs/promises';
import { EngineUnavailableError } from '../container-runtime.ts';
import { parseDockerHost } from './docker-host.ts';

export interface EngineAway {
  /** A clause without an end: "nothing listens at the socket /var/run/docker.sock". */
  readonly what: string;
  /** A whole sentence. */
  readonly cure: string;
}

/** What is found at the path of a socket; undefined when that cannot be seen. */
export type AtPath = 'socket' | 'other' | undefined;

/** How an engine that is meant by the path of its socket is called, started, and opened to this user. */
function meantBy(path: string) {
  const rootlessUid = /^\/run\/user\/(\d{1,10})\//.exec(path)?.[1];
  const isPodman = /podman/i.test(path);
  const unit = isPodman ? 'podman.socket' : 'docker';
  return {
    rootlessUid,
    start: `${isPodman ? 'Podman' : 'Docker'} (${rootlessUid === undefined ? 'sudo systemctl' : 'systemctl --user'} start ${unit})`,
    open: isPodman
      ? 'run the worker as root, to whom the socket of Podman belongs'
      : 'add the user to the group of the socket (sudo usermod -aG docker $USER) and log in again',
  };
}

const otherwise = 'set DOCKER_HOST to the socket of an engine that runs, or set RUNTIME=process to do without';

/** Undefined for a `code` of connect(2) of any other kind. Pure. */
export function explainAway(
  dockerHost: string,
  code: string,
  at: AtPath,
  uid: number | undefined,
): EngineAway | undefined {
  const address = parseDockerHost(dockerHost);
  if (address === undefined) return undefined;
  if (!('socketPath' in address)) {
    if (code !== 'ECONNREFUSED') return undefined;
    return { what: `nothing listens at ${dockerHost}`, cure: `Start the engine with that address, ${otherwise}.` };
  }
  const { socketPath: path } = address;
  const { start, open, rootlessUid } = meantBy(path);
  switch (code) {
    case 'ENOENT':
      return { what: `there is no socket ${path}`, cure: `Start ${start}, ${otherwise}.` };
    case 'ECONNREFUSED':
      if (at === 'other') return { what: `${path} is no socket`, cure: `S${otherwise.slice(1)}.` };
      return { what: `nothing listens at the socket ${path}`, cure: `Start ${start}, ${otherwise}.` };
    case 'EACCES':
    case 'EPERM': {
      const isAnothers = rootlessUid !== undefined && Number(rootlessUid) !== uid;
      const cure = isAnothers ? `run the worker as the user with the number ${rootlessUid}` : open;
      return {
        what: `this user may not use the socket ${path}`,
        cure: `${cure[0]?.toUpperCase()}${cure.slice(1)}, ${otherwise}.`,
      };
    }
    default:
      return undefined;
  }
}

/** Looks at what connecting failed on; undefined when its own message is the best there is. */
export async function whyAway(dockerHost: string, error: unknown): Promise<EngineAway | undefined> {
  const code = codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined);
  if (code === undefined) return undefined;
  const address = parseDockerHost(dockerHost);
  const at = address && 'socketPath' in address ? await atPath(address.socketPath) : undefined;
  return explainAway(dockerHost, code, at, process.getuid?.());
}

/** The same failure in the words of whyAway, where it has some. */
export async function toldAway(dockerHost: string, error: unknown): Promise<unknown> {
  if (!(error instanceof EngineUnavailableError)) return error;
  const why = await whyAway(dockerHost, error);
  return why ? new EngineUnavailableError(why.what, { cause: error, cure: why.cure }) : error;
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

async function atPath(path: string): Promise<AtPath> {
  try {
    return (await stat(path)).isSocket() ? 'socket' : 'other';
  } catch {
    // Gone, or not to be seen by this user: what connecting said is all that is known.
    return undefined;
  }
}
