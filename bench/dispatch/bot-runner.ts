/** Bot Runner as a contestant: the real program, restarts of bots, and a worker that answers at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { endProgram, type Program, startProgram, untilUp } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import type { Arrived, Contestant, Running } from './contestant.ts';
import { payload } from './contestant.ts';
import { startHandler } from './processes.ts';
import { openStream } from './stream.ts';

export interface Scene {
  readonly bots: number;
  /** Whose they are, in equal parts. */
  readonly users: number;
  /** Jobs that wait for a worker all the while. */
  readonly waiting: number;
}

/** How a job gets in: one request each, or JobService.SubmitJobs. */
export type Door = 'REST' | 'stream';

const startsAtOnce = 64;

export const botRunner = (door: Door, { bots, users, waiting }: Scene): Contestant => ({
  name: `Bot Runner, ${door}, ${bots} bots${users > 1 ? ` of ${users} users` : ''}${waiting > 0 ? `, ${waiting} jobs wait` : ''}`,
  durable: 'yes',
  async start(arrived) {
    const dir = await mkdtemp(join(tmpdir(), 'bench-'));
    const port = await freePort();
    const profile = process.env['BENCH_PROFILE'];
    const program = startProgram('orchestrator', {
      env: {
        ...process.env,
        PORT: String(port),
        DATA_DIR: dir,
        ADMIN_TOKEN: adminToken,
        MAX_BOTS_PER_USER: '10000',
        LOG_LEVEL: 'warn',
        ...(profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
      },
    });
    try {
      return await fill(program, port, dir, door, { bots, users, waiting }, arrived);
    } catch (error) {
      await remove(program, dir);
      throw error;
    }
  },
});

const adminToken = 'an-admin-token-of-the-bench';

async function remove(program: Program, dir: string): Promise<void> {
  await endProgram(program);
  await rm(dir, { recursive: true, force: true });
}

async function fill(
  program: Program,
  port: number,
  dir: string,
  door: Door,
  scene: Scene,
  arrived: Arrived,
): Promise<Running> {
  await untilUp(program, AbortSignal.timeout(30_000));
  const owners = await ownersOf(port, scene.users);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  const post = (token: string, data: object): Promise<void> =>
    postJob({ port, agent, token }, JSON.stringify({ blueprint: 'bot_runner', data }));
  const here = new Map<string, () => void>();
  const handler = await startHandler('bot-runner', { port }, (job, at) => {
    here.get(job)?.();
    here.delete(job);
    arrived(job, at);
  });
  const list = Array.from({ length: scene.bots }, (_, n) => ({
    owner: owners[n % owners.length] ?? ownerOfAll,
    botId: `bot-${n}`,
  }));
  const source = { action: 'start', deployment_mode: 'simple', code: payload };
  await atOnce(list, async ({ owner, botId }) => {
    const came = new Promise<void>((resolve) => here.set(`${owner.userId}/${botId}`, resolve));
    await post(owner.token, { ...source, bot_id: botId });
    await came;
  });
  await atOnce(
    Array.from({ length: scene.waiting }, (_, n) => `waits-${n}`),
    (botId) => post(ownerOfAll.token, { ...source, bot_id: botId, on: { room: 'none' } }),
  );
  const stream = door === 'stream' ? openStream(port, ownerOfAll.token) : undefined;
  let placesOf = 0;
  let places = new Map<number, number>();
  return {
    async submit(client, outstanding, expect) {
      // Each client has bots of its own, so that no job waits for another one of its bot.
      if (placesOf !== outstanding) {
        placesOf = outstanding;
        places = new Map();
      }
      const place = places.get(client) ?? client;
      const { owner, botId } = list[place % list.length] ?? { owner: ownerOfAll, botId: '' };
      places.set(client, place + outstanding >= list.length ? client : place + outstanding);
      expect(`${owner.userId}/${botId}`);
      if (stream === undefined) await post(owner.token, { action: 'restart', bot_id: botId });
      else await stream.submit({ action: 'restart', bot_id: botId });
    },
    serverPids: () => [program.child.pid ?? 0],
    handlerPid: handler.pid,
    async stop() {
      agent.destroy();
      stream?.close();
      await handler.stop();
      await remove(program, dir);
    },
  };
}

async function atOnce<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await run(item);
  };
  await Promise.all(Array.from({ length: startsAtOnce }, one));
}

interface Owner {
  readonly userId: string;
  readonly token: string;
}

const ownerOfAll: Owner = { userId: 'dev', token: 'test-client-token' };

async function ownersOf(port: number, users: number): Promise<readonly Owner[]> {
  if (users === 1) return [ownerOfAll];
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
  const admin = createClient(AdminService, transport);
  const headers = { authorization: `Bearer ${adminToken}` };
  const owners: Owner[] = [];
  for (let n = 0; n < users; n++) {
    const { value } = await admin.createToken({ userId: `user-${n}`, name: 'bench', scope: 1 }, { headers });
    owners.push({ userId: `user-${n}`, token: value });
  }
  return owners;
}

interface Caller {
  readonly port: number;
  readonly agent: http.Agent;
  readonly token: string;
}

function postJob({ port, agent, token }: Caller, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const request = http.request(
      { port, host: '127.0.0.1', method: 'POST', path: '/jobs', agent, headers },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () =>
          answer.statusCode === 202
            ? resolve()
            : reject(new Error(`POST /jobs answered ${answer.statusCode}: ${text}`)),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
