/** Hostile archives of bots, inside a request and uploaded. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { custom, grpcRefusal, type HostileCase, openHostileDoors, tarOf } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

const archive = (bytes: Uint8Array) => ({ ...custom, archive: Buffer.from(bytes).toString('base64') });
const good = () => tarOf({ name: 'Dockerfile', content: 'FROM scratch' });

describe('an archive inside the request', () => {
  it.each<[string, () => Promise<Uint8Array>, string, number?]>([
    ['hostile 41: nothing', async () => Buffer.from('\0').subarray(1), 'INVALID_ARCHIVE'],
    ['hostile 41: text', async () => Buffer.from('hello, this is no archive'), 'INVALID_ARCHIVE'],
    ['hostile 41: gzip of garbage', async () => gzipSync('hello'), 'INVALID_ARCHIVE'],
    ['hostile 41: gzip of gzip', async () => gzipSync(gzipSync(await good())), 'INVALID_ARCHIVE'],
    ['hostile 41: zip', async () => Buffer.from(`PK\x03\x04${'x'.repeat(2000)}`, 'latin1'), 'INVALID_ARCHIVE'],
    ['hostile 41: xz', async () => Buffer.from(`\xfd7zXZ\0${'x'.repeat(2000)}`, 'latin1'), 'INVALID_ARCHIVE'],
    [
      'hostile 41: something behind it',
      async () => Buffer.concat([gzipSync(await good()), Buffer.from('x')]),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 41: a second member',
      async () => Buffer.concat([gzipSync(await good()), gzipSync('')]),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 41: something behind the tar',
      async () => Buffer.concat([await good(), await good()]),
      'INVALID_ARCHIVE',
    ],
    ['hostile 41: half of it', async () => gzipSync(await good()).subarray(0, 60), 'INVALID_ARCHIVE'],
    [
      'hostile 42: a bomb',
      async () => gzipSync(await tarOf({ name: 'Dockerfile', content: '\0'.repeat(40_000_000) })),
      'ARCHIVE_TOO_LARGE',
      413,
    ],
    [
      'hostile 42: 10,001 entries',
      () => tarOf(...Array.from({ length: 10_001 }, (_, n) => ({ name: `f${n}`, content: '' }))),
      'ARCHIVE_TOO_LARGE',
      413,
    ],
    ['hostile 43: a name that climbs', () => tarOf({ name: 'Dockerfile' }, { name: '../x' }), 'INVALID_ARCHIVE'],
    [
      'hostile 43: a name that climbs within',
      () => tarOf({ name: 'Dockerfile' }, { name: 'a/../../x' }),
      'INVALID_ARCHIVE',
    ],
    ['hostile 43: an absolute name', () => tarOf({ name: 'Dockerfile' }, { name: '/etc/x' }), 'INVALID_ARCHIVE'],
    ['hostile 43: backslashes', () => tarOf({ name: 'Dockerfile' }, { name: '..\\x' }), 'INVALID_ARCHIVE'],
    ['hostile 43: a long name', () => tarOf({ name: 'Dockerfile' }, { name: 'x'.repeat(5000) }), 'INVALID_ARCHIVE'],
    [
      'hostile 44: an absolute link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: '/etc/shadow' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 44: a link that leads out',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: '../x' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 44: a link to itself',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: 'l' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 44: a file behind a link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: 'x' }, { name: 'l/y' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 44: a folder replaced by a link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'a/b' }, { name: 'a', type: 'symlink', linkname: 'x' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 44: a hard link as Dockerfile',
      () => tarOf({ name: 'x' }, { name: 'Dockerfile', type: 'link', linkname: 'x' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 45: a device',
      () => tarOf({ name: 'Dockerfile' }, { name: 'd', type: 'character-device' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 45: a pipe as Dockerfile',
      () => tarOf({ name: 'x' }, { name: 'Dockerfile', type: 'fifo' }),
      'INVALID_ARCHIVE',
    ],
    [
      'hostile 46: the Dockerfile twice',
      () => tarOf({ name: 'Dockerfile' }, { name: 'Dockerfile' }),
      'INVALID_ARCHIVE',
    ],
    ['hostile 46: no Dockerfile', () => tarOf({ name: 'bot.py' }), 'INVALID_ARCHIVE'],
    [
      'hostile 46: a link as Dockerfile',
      () => tarOf({ name: 'x' }, { name: 'Dockerfile', type: 'symlink', linkname: 'x' }),
      'INVALID_ARCHIVE',
    ],
  ])('%s', { timeout: 30_000 }, async (_title, bytes, code, status = 400) => {
    const before = await doors.list();
    const sent = await bytes();
    const { status: got, body } = await doors.leavesNothing(() => doors.orchestrator.post(archive(sent)));
    expect([got, body.error?.code]).toEqual([status, code]);
    expect(await doors.list()).toEqual(before);
    // Nor can it be started from what was sent.
    const value = { from: { case: 'artifactSha256' as const, value: createHash('sha256').update(sent).digest('hex') } };
    const { detail } = await grpcRefusal(
      doors.bots.startBot({ botId: 'hostile', spec: { source: { case: 'custom', value } } }),
    );
    expect(detail?.code).toBe('ARTIFACT_NOT_FOUND');
  });

  const text = (value: string): HostileCase => [
    `hostile 41: the text ${JSON.stringify(value)}`,
    { ...custom, archive: value },
    'INVALID_ARCHIVE',
  ];
  doors.refuses(['', '!!!!', 'AAAA\nAAAA', '-_-_', 'AAAAA', 'AAB=', ' AAAA', 'AAAA=AAA'].map(text));

  it('a good one is accepted, plain or gzipped, with a link that stays inside', async () => {
    const bytes = await tarOf(
      { name: './Dockerfile' },
      { name: './lib/l', type: 'symlink', linkname: '../Dockerfile' },
    );
    for (const form of [bytes, gzipSync(bytes)]) {
      expect((await doors.orchestrator.post({ ...archive(form), bot_id: 'archived' })).status).toBe(202);
    }
    await doors.orchestrator.post({ action: 'delete', bot_id: 'archived' });
  });
});

describe('an uploaded archive', () => {
  const upload = (bytes: Uint8Array) =>
    doors.artifacts.uploadArtifact(
      (async function* () {
        for (let at = 0; at === 0 || at < bytes.length; at += 65_536) yield { chunk: bytes.subarray(at, at + 65_536) };
      })(),
    );
  it.each<[string, () => Promise<Uint8Array>, string]>([
    ['gzip of garbage', async () => gzipSync('hello'), 'INVALID_ARCHIVE'],
    ['something behind it', async () => Buffer.concat([gzipSync(await good()), Buffer.from('x')]), 'INVALID_ARCHIVE'],
    ['a bomb', async () => gzipSync(await tarOf({ name: 'a', content: '\0'.repeat(40_000_000) })), 'ARCHIVE_TOO_LARGE'],
    ['a name that climbs', async () => gzipSync(await tarOf({ name: '../x' })), 'INVALID_ARCHIVE'],
    ['a device', () => tarOf({ name: 'a' }, { name: 'd', type: 'block-device' }), 'INVALID_ARCHIVE'],
    // Left out; nothing else is there.
    ['a hard link alone', () => tarOf({ name: 'l', type: 'link', linkname: 'a' }), 'INVALID_ARCHIVE'],
  ])('with %s is refused and cannot be started', async (_title, bytes, code) => {
    const sent = await bytes();
    expect((await doors.leavesNothing(() => grpcRefusal(upload(sent)))).detail?.code).toBe(code);
    const artifactSha256 = createHash('sha256').update(sent).digest('hex');
    const source = { case: 'simple' as const, value: { artifactSha256, entrypoint: 'bot.py' } };
    const { detail } = await grpcRefusal(doors.bots.startBot({ botId: 'hostile', spec: { source } }));
    expect(detail?.code).toBe('ARTIFACT_NOT_FOUND');
  });

  it('that is gzipped and good is stored as it was sent, and can be started', async () => {
    const bytes = gzipSync(await good());
    const { sha256 } = await upload(bytes);
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    const value = { from: { case: 'artifactSha256' as const, value: sha256 } };
    const { job } = await doors.bots.startBot({ botId: 'uploaded', spec: { source: { case: 'custom', value } } });
    expect(job?.jobId).not.toBe('');
    await doors.bots.deleteBot({ botId: 'uploaded' });
  });
});
