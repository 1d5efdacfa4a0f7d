/** The process that jobs arrive in: takes them as its kind does, reports when each came, and does nothing else with them. */
import { create } from '@bufbuild/protobuf';
import { connect } from 'nats';
import { CapacitySchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { connectScriptedWorker, type ScriptedWorker } from '../../test/kit/scripted-worker.ts';
import { payload, preciseNow } from './contestant.ts';
import { rival } from './packages.ts';

const [kind = '', settingsText = '{}'] = process.argv.slice(2);
const settings = JSON.parse(settingsText) as { port: number; connection: string };
// The most that any contestant lets one handler have at once.
const atOnce = 256;

// One message for all of a turn: reporting must not cost more than taking.
let told: [string, number][] = [];
function tell(job: string): void {
  if (told.length === 0) {
    setImmediate(() => {
      process.send?.(told);
      told = [];
    });
  }
  told.push([job, preciseNow()]);
}

const checked = (bytes: string): void => {
  if (bytes.length !== payload.length) throw new Error(`a job came with ${bytes.length} bytes`);
};

const kinds: Record<string, () => Promise<void>> = {
  async 'bot-runner'() {
    const address = `127.0.0.1:${settings.port}`;
    const worker = await connectScriptedWorker(address, {
      workerId: 'w1',
      capacity: create(CapacitySchema, { memoryBytes: 1n << 50n, cpuMillis: 1 << 30 }),
    });
    // Has no room for any bot: what is to run there waits.
    const full = await connectScriptedWorker(address, {
      workerId: 'full',
      labels: { room: 'none' },
      capacity: create(CapacitySchema, { memoryBytes: 1n, cpuMillis: 1 }),
    });
    for (const one of [worker, full]) await one.take('welcome');
    setInterval(() => beat([worker, full]), 2_000);
    worker.onMessage(({ body }) => {
      if (body.case !== 'ensure' || body.value.taskId === '') return;
      const { userId, botId, taskId } = body.value;
      tell(`${userId}/${botId}`);
      worker.send({ case: 'accepted', value: { taskId } });
      worker.succeed(body.value);
    });
  },
  async bullmq() {
    // As bullmq documents it; its types are not installed.
    const { Worker } = rival('bullmq') as { Worker: new (...args: unknown[]) => { waitUntilReady(): Promise<void> } };
    const take = async ({ id, data }: { id: string; data: string }) => {
      tell(id);
      checked(data);
    };
    const connection = { port: settings.port, maxRetriesPerRequest: null };
    await new Worker('jobs', take, { connection, concurrency: atOnce }).waitUntilReady();
  },
  async jetstream() {
    const connection = await connect({ port: settings.port });
    const consumer = await connection.jetstream().consumers.get('JOBS', 'handler');
    const messages = await consumer.consume({ max_messages: atOnce });
    void (async () => {
      for await (const message of messages) {
        tell(String(message.headers?.get('job')));
        checked(message.string());
        message.ack();
      }
    })();
  },
  async 'pg-boss'() {
    // As pg-boss documents it; its types are not installed.
    const { PgBoss } = rival('pg-boss') as {
      PgBoss: new (
        options: object,
      ) => {
        start(): Promise<unknown>;
        on(event: 'error', listener: (error: unknown) => void): void;
        work(
          queue: string,
          options: object,
          take: (jobs: { data: { payload: string }; id: string }[]) => unknown,
        ): unknown;
      };
    };
    const boss = new PgBoss({ connectionString: settings.connection, useListenNotify: true });
    boss.on('error', (error) => console.error(error));
    await boss.start();
    // The shortest time between two polls that it takes; NOTIFY wakes it before.
    await boss.work('jobs', { batchSize: 64, pollingIntervalSeconds: 0.5 }, async (jobs) => {
      for (const { id, data } of jobs) {
        tell(id);
        checked(data.payload);
      }
    });
  },
};

function beat(workers: readonly ScriptedWorker[]): void {
  for (const worker of workers) {
    worker.send({ case: 'heartbeat', value: { ready: true } });
    worker.heard.length = 0;
  }
}

const start = kinds[kind];
if (start === undefined) throw new Error(`no kind of handler is named ${kind}`);
await start();
process.send?.('up');
