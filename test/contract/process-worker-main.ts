/** A worker for process.test.ts, to be killed: starts a bot in the folder given, prints where it is, and waits. */
import { processRuntimeIn } from '../kit/process-runtime.ts';
import { botPlan, patience, untilPrinted } from './harness.ts';

const [dir = ''] = process.argv.slice(2);
const workerId = 'worker-1';
const runtime = processRuntimeIn(dir, { workerId });
const key = { userId: 'dev', botId: 'echo' };
const id = await runtime.create(
  botPlan({
    key,
    workerId,
    language: 'node',
    steps: [
      ['print', 'ready'],
      ['tick', 50],
    ],
  }),
  patience(),
);
await runtime.start(id, patience());
await untilPrinted(runtime, id, 'ready');
// One line at most, so that what comes after it is for the next worker to read.
const { cursor } = await runtime.readOutput(id, undefined, 1, patience());
console.log(JSON.stringify({ id, cursor }));
// Bounded by the test, which kills this process.
setInterval(() => {}, 1000);
