/**
 * `npm run demo`: the main job from nothing to its visible end. Starts the platform and a Telegram of its own, deploys the
 * example echo bot through the CLI, lets a person write to it and shows the answer, looks at the bot, and stops it.
 * Exit 0 when all of that worked. `--keep` leaves the platform running until Ctrl-C. Its bots are deleted at the end.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Platform, startPlatform } from '../platform/platform.ts';
import { interrupted } from '../process/interrupted.ts';
import { avtomatikaBot, deleteBots } from './cli.ts';
import { type DemoPlan, type Found, planDemo } from './plan.ts';
import { probe } from './probes.ts';
import { startDemoTelegram } from './telegram.ts';

const say = (line = '') => process.stdout.write(`${line}\n`);
const token = '424242:demo-token-that-only-the-demo-telegram-knows';
// Not the name of the guides' examples: the engine may have that bot already, from an `npm start`.
const botName = 'demo-bot';
// A first build on a slow machine, and a bot that has to start Python and import its library.
const answerTimeoutMs = 60_000;

function report(found: Found, plan: DemoPlan): void {
  const line = (name: string, part: { says: string } | undefined) =>
    say(`  ${name.padEnd(14)} ${part?.says ?? 'not needed'}`);
  say('What is available:');
  line('engine', found.engine);
  line('base image', found.pythonImage?.ok || found.nodeImage === undefined ? found.pythonImage : found.nodeImage);
  line('this machine', found.thisMachine);
  line('package index', found.packageIndex);
  say(`So the demo runs ${plan.says}.`);
}

async function talk(
  env: NodeJS.ProcessEnv,
  plan: DemoPlan,
  telegram: Awaited<ReturnType<typeof startDemoTelegram>>,
  signal: AbortSignal,
) {
  const requirements = plan.requirements.flatMap((requirement) => ['-r', requirement]);
  await avtomatikaBot(
    ['start', botName, '--simple', plan.bot, ...requirements, '-e', `BOT_TOKEN=${token}`],
    env,
    signal,
  );
  say();
  const chat = telegram.chat(token);
  say('Ann writes to the bot:   hello');
  chat.say('hello');
  const answer = await chat.answer(answerTimeoutMs, signal);
  say(`The bot answers:         ${answer.text}`);
  await avtomatikaBot(['list'], env, signal);
  await avtomatikaBot(['status', botName], env, signal);
  await avtomatikaBot(['logs', botName, '-n', '20'], env, signal);
}

async function keepRunning(platform: Platform, signal: AbortSignal): Promise<void> {
  say(`\nThe platform stays up at ${platform.url} until Ctrl-C. In another terminal:\n`);
  say('  export AVTOMATIKA_TOKEN=test-client-token');
  say(`  export AVTOMATIKA_URL=${platform.url}`);
  say('  npx avtomatika-bot list');
  await Promise.race([
    platform.broken,
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  ]);
}

/** The end of the programs' own logs, for a demo that went wrong. */
function showLogs(dir: string): void {
  for (const name of ['orchestrator', 'worker']) {
    say(`--- the last lines of the ${name}'s log`);
    try {
      say(
        readFileSync(join(dir, `${name}.log`), 'utf8')
          .trimEnd()
          .split('\n')
          .slice(-15)
          .join('\n'),
      );
    } catch {
      say('(there is none)');
    }
  }
}

/** Leaves nothing on the engine, also after Ctrl-C and after a demo that went wrong. */
async function clearUp(platform: Platform, cliEnv: NodeJS.ProcessEnv): Promise<void> {
  const broken = platform.broken.then((program) => {
    throw new Error(`the ${program.name} has ended`);
  });
  try {
    await Promise.race([deleteBots(cliEnv), broken]);
  } catch (error) {
    say(`The bots of the demo could not be deleted: ${error instanceof Error ? error.message : error}`);
  }
  // It ends now because it is ended.
  broken.catch(() => {});
  await platform.stop();
}

async function demo(keep: boolean, signal: AbortSignal): Promise<void> {
  const found = await probe(process.env, signal);
  const plan = planDemo(found);
  report(found, plan);
  const dir = mkdtempSync(join(tmpdir(), 'bot-runner-demo-'));
  const loopback = { listen: '127.0.0.1', called: '127.0.0.1' };
  const telegram = await startDemoTelegram(token, (plan.runtime === 'docker' && found.address) || loopback);
  let platform: Platform | undefined;
  let cliEnv: NodeJS.ProcessEnv = process.env;
  try {
    const env = {
      ...process.env,
      DATA_DIR: dir,
      HOST: '127.0.0.1',
      PORT: '0',
      RUNTIME: plan.runtime,
      ...(found.dockerHost === undefined ? {} : { DOCKER_HOST: found.dockerHost }),
      LOG_LEVEL: 'info',
      TELEGRAM_API_BASE: telegram.calledUrl,
      CLIENT_TOKEN: 'test-client-token',
      WORKER_TOKEN: 'test-worker-token',
      ADMIN_TOKEN: 'test-admin-token',
    };
    const logs = { orchestratorLog: join(dir, 'orchestrator.log'), workerLog: join(dir, 'worker.log') };
    platform = await startPlatform({ env, ...logs }, signal);
    say(`\nOrchestrator and worker are up at ${platform.url}.`);
    cliEnv = { ...process.env, AVTOMATIKA_URL: platform.url, AVTOMATIKA_TOKEN: 'test-client-token' };
    await talk(cliEnv, plan, telegram, signal);
    if (keep) await keepRunning(platform, signal);
    else {
      await avtomatikaBot(['stop', botName], cliEnv, signal);
      say('\nThe demo is done: the bot was deployed, answered, was inspected and stopped.');
    }
  } catch (error) {
    if (!signal.aborted) showLogs(dir);
    throw error;
  } finally {
    if (platform !== undefined) await clearUp(platform, cliEnv);
    await telegram.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const signal = interrupted();
const args = process.argv.slice(2);
const unknown = args.filter((arg) => arg !== '--keep');
if (unknown.length > 0) {
  process.stderr.write(`demo: unknown option ${unknown[0]}; use: npm run demo -- [--keep]\n`);
  process.exitCode = 2;
} else {
  try {
    await demo(args.includes('--keep'), signal);
    process.exitCode = 0;
  } catch (error) {
    if (!signal.aborted) {
      process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}
