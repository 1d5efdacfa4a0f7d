/** A worker whose fetch of a source was cut continues where it was cut. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { accepted, as, connect, detailOf, eachWithOrchestrator, simple } from './played-workers.ts';

eachWithOrchestrator();

it('gets a source from any byte on, each chunk with its place', async () => {
  const worker = await connect('w1');
  await accepted(simple('large', { code: `"""${randomBytes(400_000).toString('hex')}"""` }));
  const { spec } = await worker.take('ensure');
  const sha256 = spec?.source.case === 'simple' ? spec.source.value.artifactSha256 : '';
  const read = async (offset: bigint) => {
    const chunks: { readonly offset: bigint; readonly chunk: Uint8Array }[] = [];
    for await (const { chunk, offset: at } of as('w1').fetchArtifact({ sha256, offset }))
      chunks.push({ offset: at, chunk });
    return chunks;
  };
  const chunks = await read(0n);
  const whole = Buffer.concat(chunks.map(({ chunk }) => chunk));
  expect(chunks.length).toBeGreaterThan(2);
  const second = chunks[1]?.offset ?? 0n;
  for (const from of [1n, second - 1n, second, second + 1n, BigInt(whole.length - 1)]) {
    const rest = await read(from);
    expect(rest[0]?.offset).toBe(from);
    expect(Buffer.concat(rest.map(({ chunk }) => chunk)).equals(whole.subarray(Number(from)))).toBe(true);
  }
  for (const from of [BigInt(whole.length), BigInt(whole.length) + 5n]) expect(await read(from)).toEqual([]);
  expect(await detailOf(read(-1n))).toMatchObject({ code: 'InvalidArgument', message: '"offset" is negative.' });
});
