import { EventEmitter } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SessionRequestSchema, WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { BodyBudget } from '../admission/body-budget.ts';
import { bodyKinds } from '../admission/body-kinds.ts';
import { MessageReader } from './message-reader.ts';

const rules = {
  method: WorkerService.method.session,
  bounds: { ...bodyKinds.worker, messageMaxBytes: 1_000 },
  hold: new BodyBudget().hold('worker'),
  turn: () => undefined,
  large: undefined,
};

class Incoming extends EventEmitter {
  paused = false;
  pause() {
    this.paused = true;
  }
  resume() {
    this.paused = false;
  }
}

function open() {
  const incoming = new Incoming();
  return { incoming, reader: new MessageReader(incoming, (bytes) => fromBinary(SessionRequestSchema, bytes), rules) };
}

const message = (taskId: string) =>
  create(SessionRequestSchema, {
    body: { case: 'accepted', value: { $typeName: 'botrunner.v1.TaskAccepted', taskId } },
  });

function frame(bytes: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const frameOf = (taskId: string) => frame(toBinary(SessionRequestSchema, message(taskId)));

it('gives the messages in order, however their bytes are cut, whoever is first', async () => {
  const cuts = fc.array(fc.nat(40), { maxLength: 30 });
  const texts = fc.array(fc.string({ maxLength: 60 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(texts, cuts, fc.boolean(), async (all, sizes, readsFirst) => {
      const { incoming, reader } = open();
      const read = async () => {
        const found: unknown[] = [];
        for await (const { body } of reader) found.push(body.case === 'accepted' ? body.value.taskId : body.case);
        return found;
      };
      const reading = readsFirst ? read() : undefined;
      let bytes = Buffer.concat(all.map(frameOf));
      for (const size of sizes) {
        incoming.emit('data', bytes.subarray(0, size));
        bytes = bytes.subarray(size);
        if (size % 3 === 0) await Promise.resolve();
      }
      incoming.emit('data', bytes);
      incoming.emit('end');
      expect(await (reading ?? read())).toEqual(all);
    }),
    { numRuns: 50 },
  );
});

it.each([
  ['is larger than the call allows', frame(Buffer.alloc(1_001)), Code.ResourceExhausted, 'PAYLOAD_TOO_LARGE'],
  ['cannot be decoded', frame(Buffer.from([0x0a, 0x7f, 1])), Code.InvalidArgument, 'MALFORMED_REQUEST'],
  ['says that it is compressed', frame(Buffer.alloc(3), 1), Code.InvalidArgument, 'MALFORMED_REQUEST'],
])('a message that %s ends it with an error of ours, after those before it', async (_what, bytes, code, reason) => {
  const { incoming, reader } = open();
  incoming.emit('data', frameOf('one'));
  incoming.emit('data', Buffer.concat([bytes, frameOf('two')]));
  expect((await reader.next()).value?.body.case).toBe('accepted');
  const error = await reader.next().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code, details: [{ value: { code: reason } }] });
});

it('a message that is cut short by a clean end is malformed; by a lost connection, it is broken off', async () => {
  const [clean, lost] = [open(), open()];
  for (const { incoming } of [clean, lost]) incoming.emit('data', frameOf('one').subarray(0, 7));
  clean.incoming.emit('end');
  await expect(clean.reader.next()).rejects.toMatchObject({ details: [{ value: { code: 'MALFORMED_REQUEST' } }] });
  lost.incoming.emit('close');
  await expect(lost.reader.next()).rejects.toThrow('the body was cut short');
});

it('makes a sender wait whose messages nobody takes', async () => {
  const { incoming, reader } = open();
  for (let n = 0; n < 64; n++) incoming.emit('data', frameOf(`${n}`));
  expect(incoming.paused).toBe(true);
  for (let n = 0; n < 64; n++) await reader.next();
  expect(incoming.paused).toBe(false);
});

/** Takes so many, then none until the next `resume`; and what it took. */
function createTaker() {
  const taken: string[] = [];
  const state = { left: 0 };
  return {
    taken,
    state,
    take({ body }: { readonly body: { readonly case?: unknown; readonly value?: unknown } }) {
      taken.push((body.value as { taskId: string }).taskId);
      state.left -= 1;
      return state.left > 0;
    },
    end(failure: { readonly error: unknown } | undefined) {
      taken.push(failure === undefined ? 'end' : String(failure.error));
    },
  };
}

it('hands them to a taker as they come, and makes the sender wait for one that takes no more', () => {
  const { incoming, reader } = open();
  const taker = createTaker();
  incoming.emit('data', Buffer.concat([frameOf('a'), frameOf('b'), frameOf('c')]));
  taker.state.left = 2;
  reader.handTo(taker);
  expect(taker.taken).toEqual(['a', 'b']);
  for (let n = 0; n < 63; n++) incoming.emit('data', frameOf(`${n}`));
  expect(incoming.paused).toBe(true);
  incoming.emit('end');
  expect(taker.taken).toEqual(['a', 'b']);
  taker.state.left = 1_000;
  reader.resume();
  expect(taker.taken).toEqual(['a', 'b', 'c', ...Array.from({ length: 63 }, (_, n) => `${n}`), 'end']);
});

it('lets the sender continue once the taker has taken everything, and hands over an error after what came before it', () => {
  const { incoming, reader } = open();
  const taker = createTaker();
  reader.handTo(taker);
  taker.state.left = 1;
  for (let n = 0; n <= 64; n++) incoming.emit('data', frameOf(`${n}`));
  expect(taker.taken).toEqual(['0']);
  expect(incoming.paused).toBe(true);
  taker.state.left = 100;
  reader.resume();
  expect(incoming.paused).toBe(false);
  taker.state.left = 1;
  incoming.emit('data', frameOf('x'));
  incoming.emit('data', frameOf('y'));
  incoming.emit('data', frame(Buffer.alloc(3), 1));
  taker.state.left = 100;
  reader.resume();
  expect(taker.taken.slice(-3)).toEqual(['x', 'y', expect.stringContaining('compressed')]);
});
