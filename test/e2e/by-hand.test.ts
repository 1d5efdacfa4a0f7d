/** docs/DEPLOY.md without compose: the two programs by hand, with TLS, from a fresh clone, kept running by a shell. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';
import { type FreshClone, freshClone, linkPackages } from '../kit/newcomer/fresh-clone.ts';
import { type NewcomersMachine, newcomersMachine } from '../kit/newcomer/newcomers-machine.ts';
import { listProcesses } from '../kit/private-engine/process-table.ts';
import { fencedBlocks } from '../readme/fenced-blocks.ts';
import { type NpmProgram, startNpmProgram } from '../readme/npm-program.ts';
import { assertCode, PageShell, readerEnv } from '../readme/page-shell.ts';
import { missingProgram } from '../readme/programs.ts';

const longMs = 180_000;
const skipReason = missingProgram('git', 'curl', 'openssl', 'unshare', 'nsenter', 'ip');
const blocks = fencedBlocks(readFileSync(checkoutPath('docs/DEPLOY.md'), 'utf8'));
/** The page says that Node.js 24 is needed; the one of the tests is. */
const env = { PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };

describe.skipIf(skipReason !== undefined)(
  'by hand',
  { timeout: longMs, meta: { skipReason: skipReason ?? '' } },
  () => {
    let clone: FreshClone;
    let machine: NewcomersMachine | { skip: string };
    beforeAll(async () => {
      clone = freshClone();
      machine = await newcomersMachine();
    }, longMs);
    afterAll(async () => {
      if (machine && !('skip' in machine)) await machine[Symbol.asyncDispose]();
      clone?.[Symbol.dispose]();
    });

    /** A block of the page, in folders of this test and by a name that leads to it. */
    const page = (name: string): string => {
      const block = blocks.find(({ file }) => file === name);
      if (block === undefined) throw new Error(`docs/DEPLOY.md has no block ${name}`);
      return block.text.replaceAll('/var/lib/bot-runner', './data').replaceAll('bots.example.org', 'localhost');
    };
    const inside = (skip: (why: string) => never): readonly string[] =>
      'skip' in machine ? skip(machine.skip) : machine.inside(clone.dir);

    it('says in one line that packages or a newer Node.js are missing', async () => {
      using shell = new PageShell(clone.dir, env);
      for (const name of ['orchestrator', 'worker']) {
        const { code, stdout, stderr } = await shell.run(`node ${name}/main.js`);
        const line = `${name}: the npm packages are not installed: run "npm ci --omit=dev --ignore-scripts" in ${clone.dir}\n`;
        expect([code, stdout, stderr]).toEqual([1, '', line]);
      }
      // The system's own, where that is an older one.
      using plain = new PageShell(clone.dir, {});
      const version = (await plain.run('node --version')).stdout.trim().slice(1);
      if (Number.parseInt(version, 10) >= 24) return;
      const { code, stderr } = await plain.run('node worker/main.js');
      const line = `worker: Node.js 24 or newer is needed, and this is ${version}: install it, or use "npm run worker", which brings one\n`;
      expect([code, stderr]).toEqual([1, line]);
    });

    it('the programs start with TLS and tokens of their own, and find each other', async ({ skip }) => {
      const way = inside(skip);
      await setUp();
      const running: NpmProgram[] = [];
      using shell = new PageShell(clone.dir, { ...env, NODE_EXTRA_CA_CERTS: join(clone.dir, 'cert.pem') }, way);
      try {
        const trusting = { ...env, NODE_EXTRA_CA_CERTS: join(clone.dir, 'cert.pem') };
        const start = async (name: string, up: string) =>
          running.push(await startNpmProgram(page(name), up, clone.dir, trusting, way));
        await start('by-hand-orchestrator.sh', 'orchestrator is listening');
        await start('by-hand-worker.sh', 'connected to the orchestrator');
        const answer = await shell.run('curl --silent --cacert cert.pem https://localhost:8000/health');
        expect(answer.stdout).toBe('{"status":"ok"}');
      } finally {
        for (let last = running.pop(); last; last = running.pop()) expect([0, 130]).toContain(await last.interrupt());
      }
    });

    it('the line that keeps a program running starts it again when it was killed, and not when it was ended', async ({
      skip,
    }) => {
      using shell = new PageShell(clone.dir, env, inside(skip));
      const settings = 'set -a; . ./.env; DATA_DIR=./data; set +a';
      const { code } = await shell.run(`${settings}\n${page('by-hand-forever.sh')}`);
      expect(code).toBe(0);
      const answers = (pids: readonly number[]) =>
        eventually(
          'one that was not there before answers',
          async () => ({
            health: (await shell.run('curl --silent http://localhost:8000/health')).stdout,
            pid: programPids().find((pid) => !pids.includes(pid)),
          }),
          ({ health, pid }) => health === '{"status":"ok"}' && pid !== undefined,
          { timeoutMs: 60_000, everyMs: 100 },
        );
      const first = await answers([]);
      process.kill(first.pid ?? Number.NaN, 'SIGKILL');
      const second = await answers([first.pid ?? Number.NaN]);
      process.kill(second.pid ?? Number.NaN, 'SIGTERM');
      await eventually(
        'none is left',
        async () => programPids(),
        (pids) => pids.length === 0,
        { timeoutMs: 60_000 },
      );
    });

    /** Orchestrators of this clone, and shells that would start one. */
    function programPids(): readonly number[] {
      return listProcesses()
        .filter(({ argv }) => argv[0] === 'node' && argv.includes('orchestrator/main.js'))
        .flatMap(({ pid }) => (cwdOf(pid) === clone.dir ? [pid] : []));
    }

    /** Here, because the machine of the test has no way to npm's registry. */
    async function setUp(): Promise<void> {
      const [install = '', tokens = ''] = page('by-hand-set-up.sh').split('\n');
      const ways = Object.entries(process.env).filter(([name]) =>
        /^(NPM_CONFIG_REGISTRY|HTTPS_PROXY|NO_PROXY)$/i.test(name),
      );
      const named = Object.fromEntries(ways.map(([name, value = '']) => [name, value]));
      using shell = new PageShell(clone.dir, { ...env, ...named });
      const installed = await shell.run(install);
      if (installed.code !== 0) {
        console.warn(
          `docs/DEPLOY.md: npm cannot install here, so the packages of the checkout are used: ${installed.stderr}`,
        );
        linkPackages(clone);
      }
      assertCode(await shell.run(tokens), 0, tokens);
      mkdirSync(join(clone.dir, 'data'));
      const made = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
      ];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
      execFileSync('openssl', [...made, '-keyout', 'key.pem', '-out', 'cert.pem', ...subject], {
        cwd: clone.dir,
        env: readerEnv(env),
        stdio: 'ignore',
      });
    }
  },
);

function cwdOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // it has just ended
  }
}
