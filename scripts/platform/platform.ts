/** Orchestrator and one worker together, as `npm start` and the demo run them. */
import { endProgram, type Program, type StartOptions, startProgram, untilUp } from './children.ts';

export interface Platform {
  /** Where the orchestrator says that it listens. */
  readonly url: string;
  /** Resolves when one of the two ends on its own. */
  readonly broken: Promise<Program>;
  /** Worker first, so that it can still say goodbye. */
  stop(): Promise<void>;
}

export interface PlatformOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly orchestratorLog?: string;
  readonly workerLog?: string;
}

const logTo = (logFile: string | undefined): Pick<StartOptions, 'logFile'> =>
  logFile === undefined ? {} : { logFile };

/** Returns when both are up. Throws, with nothing left running, when one does not come up. */
export async function startPlatform(options: PlatformOptions, signal: AbortSignal): Promise<Platform> {
  await using started = new AsyncDisposableStack();
  const start = async (name: Program['name'], env: NodeJS.ProcessEnv, logFile: string | undefined) => {
    const program = startProgram(name, { env, ...logTo(logFile) });
    started.defer(async () => {
      await endProgram(program);
    });
    const url = await untilUp(program, signal);
    return { program, url: url ?? '' };
  };
  const { program: orchestrator, url } = await start('orchestrator', options.env, options.orchestratorLog);
  const workerEnv = { ...options.env, ORCHESTRATOR_URL: dialled(url, options.env) };
  const { program: worker } = await start('worker', workerEnv, options.workerLog);
  const broken = Promise.race([orchestrator, worker].map((program) => program.ended.then(() => program)));
  const running = started.move();
  return { url, broken, stop: () => running.disposeAsync() };
}

/** The address to dial: with TLS by the name in the certificate, which only the user can know. */
function dialled(url: string, env: NodeJS.ProcessEnv): string {
  if (url.startsWith('https:') && env['ORCHESTRATOR_URL']) return env['ORCHESTRATOR_URL'];
  return url.replace('//localhost:', '//127.0.0.1:').replace(/\/\/(?:0\.0\.0\.0|\[::\]):/, '//127.0.0.1:');
}
