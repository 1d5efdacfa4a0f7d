import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { type BotFields, botRecord } from '../core/bot/record.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { EngineContext } from './context.ts';
import { sealSpec } from './specs.ts';
import { renewTokenKeys, tokenHolders } from './token-ownership.ts';

it('knows tokens that an older release kept under keys of another form', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tokens-'));
  const store = openSqliteStore(dir);
  const sealKey = new Secret(new Uint8Array(32).fill(7));
  const context = { sealKey } as EngineContext; // all that these functions take of it
  const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
  const spec = create(BotSpecSchema, { env: { BOT_TOKEN: token } });
  const [ann, bob] = [
    { userId: 'ann', botId: 'echo' },
    { userId: 'bob', botId: 'echo' },
  ];
  const oldKey = (text: string) =>
    createHmac('sha256', sealKey.reveal()).update(`telegram token ${text}`).digest('hex');
  await store.change([], (tx) => {
    const row: Omit<BotFields, 'userId' | 'botId' | 'specSealed'> = {
      mode: 'simple',
      desired: 'running',
      generation: 1,
      revision: 1,
      epoch: 1,
      workerId: 'w1',
      leaving: false,
      memoryBytes: 1,
      cpuMillis: 1,
      purge: false,
      undo: null,
      state: 'running',
      observed: {},
      observedAt: 1,
      runsSince: 1,
      stopsAt: null,
      ageWarned: false,
      notice: '',
      eventSeq: 1,
      decidedSeq: 1,
      pendingTask: null,
      createdAt: 1,
      updatedAt: 1,
    };
    tx.bots.put(botRecord({ ...row, ...ann, specSealed: sealSpec(sealKey, ann, spec) }));
    tx.telegramTokens.put(oldKey(token), ann);
    tx.telegramTokens.put(oldKey('of a bot that is gone'), bob);
  });
  await store.change([], (tx) => renewTokenKeys(context, tx));
  expect(await store.look([], (tx) => tokenHolders(context, tx, bob, spec))).toEqual([ann]);
  expect(await store.look([], (tx) => tx.telegramTokens.ofBot(ann))).toHaveLength(1);
  expect(await store.look([], (tx) => tx.telegramTokens.ofBot(bob))).toEqual([]);
  await store.close();
  rmSync(dir, { recursive: true });
});
