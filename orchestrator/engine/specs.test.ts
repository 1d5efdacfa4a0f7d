import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { openSpec, sealSpec } from './specs.ts';

const keyOf = (byte: number) => new Secret<Uint8Array>(new Uint8Array(32).fill(byte));
const bot = { userId: 'ann', botId: 'echo' };
const spec = create(BotSpecSchema, { env: { A: 'b' } });

test('a spec that was opened before is opened for its own bot and key alone', () => {
  const key = keyOf(1);
  const sealed = sealSpec(key, bot, spec);
  for (let time = 0; time < 2; time++) expect(openSpec(key, bot, sealed).env).toEqual({ A: 'b' });
  expect(() => openSpec(key, { ...bot, botId: 'other' }, sealed)).toThrow(ProblemError);
  expect(() => openSpec(keyOf(2), bot, sealed)).toThrow(ProblemError);
  expect(() => openSpec(key, bot, sealed.with(sealed.length - 1, 1 ^ (sealed.at(-1) ?? 0)))).toThrow(ProblemError);
});

test('each of many more specs than are kept is its own', () => {
  const key = keyOf(1);
  const all = Array.from({ length: 500 }, (_, n) => {
    const env = { N: String(n) };
    return { env, sealed: sealSpec(key, bot, create(BotSpecSchema, { env })) };
  });
  for (const { env, sealed } of [...all, ...all]) expect(openSpec(key, bot, sealed).env).toEqual(env);
});
