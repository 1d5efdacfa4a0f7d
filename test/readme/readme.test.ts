/**
 * README.md does what it says: each of its commands is run as it stands, in order, in a fresh clone with nothing set, with
 * Docker and without; only `npm test` is not.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { type FreshClone, freshClone, linkPackages } from '../kit/newcomer/fresh-clone.ts';
import { nameIndexInBaseImage } from '../kit/newcomer/index-in-base-image.ts';
import { type NewcomersMachine, newcomersMachine } from '../kit/newcomer/newcomers-machine.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { type NpmProgram, startNpmProgram } from './npm-program.ts';
import { type CommandEnd, PageShell, readerEnv } from './page-shell.ts';
import { missingProgram } from './programs.ts';
import { type ShellCommand, shellCommands } from './shell-commands.ts';

const docker = inject('docker');
const skipReason = missingProgram('curl', 'git', 'unshare', 'nsenter', 'ip');
const walkMs = 400_000;

const commandsOf = (page: string): readonly ShellCommand[] =>
  fencedBlocks(readFileSync(checkoutPath(page), 'utf8'))
    .filter(({ language }) => language === 'sh')
    .flatMap(shellCommands);

/** Commands that a reader leaves running in a terminal, and what they print once they are up. */
const background: Readonly<Record<string, string>> = {
  'npm start': 'Bot Runner is up',
  'npm run orchestrator': 'orchestrator is listening',
  'npm run worker': 'connected to the orchestrator',
};
const needsDocker = /-r "aiogram/;
/** The page says of 123:ABC that Telegram does not take it: then the bot ends, and the command with 3 (docs/CLI.md). */
const startsBot = /avtomatika-bot start /;

/** Runs the page. Returns what each command printed, by the command as on the page. */
async function walkThrough(
  clone: FreshClone,
  machine: NewcomersMachine,
  { leftOut, deletesBots }: { leftOut: (command: string) => boolean; deletesBots: boolean },
): Promise<ReadonlyMap<string, string>> {
  const inside = machine.inside(clone.dir);
  using shell = new PageShell(clone.dir, {}, inside);
  const running: NpmProgram[] = [];
  const endPrograms = async () => {
    // The one started last goes first: a worker before its orchestrator.
    for (let last = running.pop(); last; last = running.pop()) expect([0, 130]).toContain(await last.interrupt());
  };
  /** Nothing may stay on an engine that other tests use too, also when the page failed half-way. */
  const clearUp = async () => {
    if (!deletesBots || running.length === 0) return;
    for (const bot of ['echo-bot', 'clock']) await shell.run(`npx avtomatika-bot delete ${bot} --purge -y`);
  };
  const printed = new Map<string, string>();
  let jobId = '';
  try {
    for (const { text, line } of commandsOf('README.md')) {
      if (text === 'npm test' || leftOut(text)) continue;
      const up = background[text];
      if (up !== undefined) {
        if (text !== 'npm run worker') await endPrograms();
        running.push(await startNpmProgram(text, up, clone.dir, {}, inside));
        continue;
      }
      const follows = / logs .* -f\b/.test(text);
      const end = await shell.run(
        text.replaceAll('{id}', jobId),
        follows ? { interruptWhen: (out) => out.includes('Telegram') } : {},
      );
      assertEnd(end, follows ? [130] : startsBot.test(text) ? [0, 3] : [0], `README.md, line ${line}: ${text}`);
      jobId = /"job_id":"(\w+)"/.exec(end.stdout)?.[1] ?? jobId;
      printed.set(text, end.stdout);
    }
    return printed;
  } finally {
    await clearUp();
    await endPrograms();
    rmSync(join(clone.dir, '.data'), { recursive: true, force: true });
  }
}

function assertEnd(end: CommandEnd, codes: readonly number[], where: string): void {
  if (codes.includes(end.code)) return;
  throw new Error(`${where} ended with code ${end.code}, not ${codes}\n${end.stdout}\n${end.stderr}`);
}

function expectTheStory(printed: ReadonlyMap<string, string>, demo: string): void {
  const of = (beginning: string) => [...printed].find(([command]) => command.startsWith(beginning))?.[1];
  expect(of('npm run demo')).toContain(demo);
  expect(of('npm run demo')).toContain('The bot answers:         Echo: hello');
  expect(of('npx avtomatika-bot list')).toMatch(/echo-bot +(running|crash_loop)/);
  expect(of('npx avtomatika-bot status echo-bot')).toMatch(/State +(running|crash_loop)/);
  expect(of('npx avtomatika-bot stop echo-bot')).toContain('echo-bot is stopped.');
  expect(of('curl http://localhost:8000/health')).toBe('{"status":"ok"}');
  expect(of('curl http://localhost:8000/jobs/{id}')).toContain('"blueprint":"bot_runner"');
  expect(of('npx avtomatika-bot stop clock')).toContain('clock is stopped.');
}

describe.skipIf(skipReason !== undefined)(
  'README.md',
  { timeout: walkMs, meta: { skipReason: skipReason ?? '' } },
  () => {
    let clone: FreshClone;
    beforeAll(() => {
      clone = freshClone();
      setUp(clone);
    }, walkMs);
    afterAll(() => clone?.[Symbol.dispose]());

    it('can be followed on a machine without Docker, but for the bot that needs it', async ({ skip }) => {
      const machine = await newcomersMachine();
      if ('skip' in machine) return skip(machine.skip);
      await using _ = machine;
      const printed = await walkThrough(clone, machine, {
        leftOut: (command) => needsDocker.test(command),
        deletesBots: false,
      });
      expectTheStory(printed, 'as a plain process');
      expect(commandsOf('README.md').filter(({ text }) => needsDocker.test(text))).toHaveLength(1);
    });

    it.skipIf('skip' in docker)(
      'can be followed on a machine with Docker, from the first command to the last',
      async ({ skip }) => {
        const engine = usableDocker(docker);
        const machine = await newcomersMachine(engine);
        if ('skip' in machine) return skip(machine.skip);
        await using _ = machine;
        await using index = await nameIndexInBaseImage(engine);
        expect(index).toBeDefined();
        const printed = await walkThrough(clone, machine, { leftOut: () => false, deletesBots: true });
        expectTheStory(printed, 'the aiogram bot in a Docker container');
      },
    );
  },
);

/** Installs as the page's first command does; here, because the machines of the walks have no way to npm's registry. */
function setUp(clone: FreshClone): void {
  // How this machine reaches its registry is its own business.
  const ways = Object.entries(process.env).filter(([name]) =>
    /^(NPM_CONFIG_REGISTRY|HTTPS_PROXY|NO_PROXY)$/i.test(name),
  );
  const env = readerEnv(Object.fromEntries(ways.map(([name, value = '']) => [name, value])));
  try {
    execFileSync('node', ['scripts/bootstrap.mjs'], { cwd: clone.dir, env, stdio: 'pipe' });
  } catch (error) {
    console.warn(`README.md: npm cannot install here, so the packages of the checkout are used: ${error}`);
    linkPackages(clone);
  }
}

it('docs/ru/README.md has the commands of README.md, in their order', () => {
  const commands = commandsOf('README.md').map(({ text }) => text);
  const russian = commandsOf('docs/ru/README.md').map(({ text }) => text);
  expect(russian).toEqual(commands.filter((command) => russian.includes(command)));
  expect(russian.length).toBeGreaterThan(5);
});
