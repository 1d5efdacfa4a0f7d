/** Orchestrator and one worker together, as `npm start` and the demo run them. */
import { endProgram, type Program, type StartOptions, startProgram, untilHealthy } from './children.ts';

export interface Platform {
  readonly url: string;
  /** Resolves when one of the two ends by itself. */
  readonly broken: Promise<Program>;
  /** Worker first, so that it can still say goodbye. */
  stop(): Promise<void>;
}

export interface PlatformOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly port: number;
  readonly orchestratorLog?: string;
  readonly workerLog?: string;
}

const logTo = (logFile: string | undefined): Pick<StartOptions, 'logFile'> =>
  logFile === undefined ? {} : { logFile };

/** Throws, with nothing left running, when the orchestrator does not come up. */
export async function startPlatform(options: PlatformOptions, signal: AbortSignal): Promise<Platform> {
  const url = `http://localhost:${options.port}`;
  const env = { ...options.env, PORT: String(options.port), ORCHESTRATOR_URL: `http://127.0.0.1:${options.port}` };
  const orchestrator = startProgram('orchestrator', { env, ...logTo(options.orchestratorLog) });
  try {
    await untilHealthy(`http://127.0.0.1:${options.port}`, orchestrator, signal);
  } catch (error) {
    await endProgram(orchestrator);
    throw error;
  }
  const worker = startProgram('worker', { env, ...logTo(options.workerLog) });
  const broken = Promise.race([orchestrator, worker].map((program) => program.ended.then(() => program)));
  return {
    url,
    broken,
    async stop() {
      await endProgram(worker);
      await endProgram(orchestrator);
    },
  };
}
