/** `npm start`: orchestrator and one worker on loopback, with development tokens, until Ctrl-C. */
import { ProgramEndedError } from './platform/children.ts';
import { findEngine } from './platform/engine-probe.ts';
import { startPlatform } from './platform/platform.ts';
import { interrupted } from './process/interrupted.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);

/**
 * What the programs are to have of RUNTIME and DOCKER_HOST: docker where an engine answers; else process, said loudly. A
 * RUNTIME that the user set is never second-guessed.
 */
async function chooseRuntime(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const wanted = env['RUNTIME'];
  if (wanted && wanted !== 'docker') return {};
  const engine = await findEngine(env);
  if (engine.ok) return { RUNTIME: 'docker', DOCKER_HOST: engine.dockerHost };
  if (wanted) return {};
  say(`No Docker: ${engine.why}.${engine.cure === undefined ? '' : ` ${engine.cure}`}`);
  say('Bots run as plain processes WITHOUT ISOLATION. Run only code you trust; set RUNTIME=docker to wait for Docker.');
  return { RUNTIME: 'process' };
}

const signal = interrupted();
const defaultUrl = 'http://localhost:8000';
try {
  const env = { LOG_LEVEL: 'warn', ...process.env, ...(await chooseRuntime(process.env)) };
  const platform = await startPlatform({ env }, signal);
  say(`Bot Runner is up: ${platform.url} (Ctrl-C to stop)`);
  say('');
  say(`  export AVTOMATIKA_TOKEN=${process.env['CLIENT_TOKEN'] ? 'YOUR_CLIENT_TOKEN' : 'test-client-token'}`);
  if (platform.url !== defaultUrl) say(`  export AVTOMATIKA_URL=${platform.url}`);
  say('  npx avtomatika-bot list');
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const broken = await Promise.race([platform.broken, stopped]);
  if (broken !== undefined) {
    say(`The ${broken.name} has ended; its log lines above say why.`);
    process.exitCode = 1;
  }
  await platform.stop();
  // Ctrl-C is the way to end it: that is success.
  if (broken === undefined) process.exitCode = 0;
} catch (error) {
  if (!(error instanceof ProgramEndedError) && !signal.aborted)
    say(error instanceof Error ? error.message : String(error));
  process.exitCode ||= 1;
}
