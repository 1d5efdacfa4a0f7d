/** README.md does what it says: each of its commands is run, in order, as a reader would; only `npm test` is not. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';
import { startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { type NpmProgram, startNpmProgram } from './npm-program.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { missingProgram } from './programs.ts';
import { type ShellCommand, shellCommands } from './shell-commands.ts';

const docker = inject('docker');
const skipReason = missingProgram('curl');
const token = '123:ABC';
const walkMs = 300_000;

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

interface Walk {
  readonly host: string;
  readonly env: Readonly<Record<string, string>>;
  readonly leftOut: (command: string) => boolean;
}

/** Runs the page. Returns what each command printed, by the command as the page has it. */
async function walkThrough({ host, env, leftOut }: Walk): Promise<ReadonlyMap<string, string>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'readme-'));
  const telegram = await startFakeTelegram({ host, tokens: [token] });
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const programEnv = { ...env, PORT: `${port}`, DATA_DIR: dataDir, TELEGRAM_API_BASE: telegram.url };
  using shell = new PageShell(checkout, { ...env, AVTOMATIKA_URL: url });
  const running: NpmProgram[] = [];
  const endPrograms = async () => {
    // The one started last goes first: a worker before its orchestrator.
    for (let last = running.pop(); last; last = running.pop()) expect([0, 130]).toContain(await last.interrupt());
  };
  const printed = new Map<string, string>();
  let jobId = '';
  try {
    for (const { text, line } of commandsOf('README.md')) {
      if (text === 'npm test' || leftOut(text)) continue;
      const up = background[text];
      if (up !== undefined) {
        if (text !== 'npm run worker') await endPrograms();
        running.push(await startNpmProgram(text, up, checkout, { ...programEnv, ORCHESTRATOR_URL: url }));
        continue;
      }
      const follows = / logs .* -f\b/.test(text);
      if (follows) telegram.chat(token).say('hello');
      const command = text.replaceAll('http://localhost:8000', url).replaceAll('{id}', jobId);
      const end = await shell.run(command, follows ? { interruptWhen: (out) => out.includes('Ann: hello') } : {});
      assertCode(end, follows ? 130 : 0, `README.md, line ${line}: ${text}`);
      if (follows) expect((await telegram.chat(token).answer(5000)).text).toBe('Echo: hello');
      jobId = /"job_id":"(\w+)"/.exec(end.stdout)?.[1] ?? jobId;
      printed.set(text, end.stdout);
    }
    return printed;
  } finally {
    if (running.length > 0) await deleteBots(url);
    await endPrograms();
    await telegram.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Leaves nothing on an engine that other tests use too, also when the page failed half-way. */
async function deleteBots(url: string): Promise<void> {
  const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
  for (const botId of ['echo-bot', 'clock']) {
    const body = JSON.stringify({ blueprint: 'bot_runner', data: { action: 'delete', bot_id: botId } });
    const accepted = await fetch(`${url}/jobs`, { method: 'POST', headers, body });
    const jobId = /"job_id":"(\w+)"/.exec(await accepted.text())?.[1];
    if (jobId === undefined) continue;
    await eventually(
      `${botId} is deleted`,
      async () => (await fetch(`${url}/jobs/${jobId}`, { headers })).text(),
      (job) => job.includes('"status":"completed"'),
      { timeoutMs: 30_000 },
    );
  }
}

function expectTheStory(printed: ReadonlyMap<string, string>, demo: string): void {
  const of = (beginning: string) => [...printed].find(([command]) => command.startsWith(beginning))?.[1];
  expect(of('npm run demo')).toContain(demo);
  expect(of('npm run demo')).toContain('The bot answers:         Echo: hello');
  expect(of('npx avtomatika-bot list')).toMatch(/echo-bot +running/);
  expect(of('npx avtomatika-bot status echo-bot')).toMatch(/State +running/);
  expect(of('npx avtomatika-bot stop echo-bot')).toContain('echo-bot is stopped.');
  expect(of('curl http://localhost:8000/health')).toBe('{"status":"ok"}');
  expect(of('curl http://localhost:8000/jobs/{id}')).toContain('"blueprint":"bot_runner"');
}

describe.skipIf(skipReason !== undefined)('README.md', { meta: { skipReason: skipReason ?? '' } }, () => {
  it('can be followed on a machine without Docker, but for the bot that needs it', { timeout: walkMs }, async () => {
    const env = { RUNTIME: 'process' };
    const printed = await walkThrough({ host: '127.0.0.1', env, leftOut: (command) => needsDocker.test(command) });
    expectTheStory(printed, 'as a plain process');
    expect(commandsOf('README.md').filter(({ text }) => needsDocker.test(text))).toHaveLength(1);
  });
});

describe.skipIf('skip' in docker || skipReason !== undefined)('README.md on Docker', () => {
  it('can be followed from the first command to the last', { timeout: walkMs }, async () => {
    const { host, hostAddress, pipIndexUrl } = usableDocker(docker);
    const env = { DOCKER_HOST: host, PIP_INDEX_URL: pipIndexUrl, TELEGRAM_HOST: hostAddress };
    const printed = await walkThrough({ host: hostAddress, env, leftOut: () => false });
    expectTheStory(printed, 'the aiogram bot in a Docker container');
  });
});

it('docs/ru/README.md has the commands of README.md, in their order', () => {
  const commands = commandsOf('README.md').map(({ text }) => text);
  const russian = commandsOf('docs/ru/README.md').map(({ text }) => text);
  expect(russian).toEqual(commands.filter((command) => russian.includes(command)));
  expect(russian.length).toBeGreaterThan(5);
});
