/**
 * Hostile sources of bots through the real doors: archives, URLs, repositories and images, over REST and gRPC. Numbered as in
 * hostile.test.ts. No test sends a packet anywhere but to the orchestrator.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { custom, git, grpcRefusal, type HostileCase, image, openHostileDoors, tarOf } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

const archive = (bytes: Uint8Array) => ({ ...custom, archive: Buffer.from(bytes).toString('base64') });
const good = () => tarOf({ name: 'Dockerfile', content: 'FROM scratch' });

describe('41 to 46: an archive inside the request', () => {
  it.each<[string, () => Promise<Uint8Array>, string, number?]>([
    ['41: nothing', async () => Buffer.from('\0').subarray(1), 'INVALID_ARCHIVE'],
    ['41: text', async () => Buffer.from('hello, this is no archive'), 'INVALID_ARCHIVE'],
    ['41: gzip of garbage', async () => gzipSync('hello'), 'INVALID_ARCHIVE'],
    ['41: gzip of gzip', async () => gzipSync(gzipSync(await good())), 'INVALID_ARCHIVE'],
    ['41: zip', async () => Buffer.from(`PK\x03\x04${'x'.repeat(2000)}`, 'latin1'), 'INVALID_ARCHIVE'],
    ['41: xz', async () => Buffer.from(`\xfd7zXZ\0${'x'.repeat(2000)}`, 'latin1'), 'INVALID_ARCHIVE'],
    [
      '41: something behind it',
      async () => Buffer.concat([gzipSync(await good()), Buffer.from('x')]),
      'INVALID_ARCHIVE',
    ],
    ['41: a second member', async () => Buffer.concat([gzipSync(await good()), gzipSync('')]), 'INVALID_ARCHIVE'],
    ['41: something behind the tar', async () => Buffer.concat([await good(), await good()]), 'INVALID_ARCHIVE'],
    ['41: half of it', async () => gzipSync(await good()).subarray(0, 60), 'INVALID_ARCHIVE'],
    [
      '42: a bomb',
      async () => gzipSync(await tarOf({ name: 'Dockerfile', content: '\0'.repeat(40_000_000) })),
      'ARCHIVE_TOO_LARGE',
      413,
    ],
    [
      '42: 10,001 entries',
      () => tarOf(...Array.from({ length: 10_001 }, (_, n) => ({ name: `f${n}`, content: '' }))),
      'ARCHIVE_TOO_LARGE',
      413,
    ],
    ['43: a name that climbs', () => tarOf({ name: 'Dockerfile' }, { name: '../x' }), 'INVALID_ARCHIVE'],
    ['43: a name that climbs within', () => tarOf({ name: 'Dockerfile' }, { name: 'a/../../x' }), 'INVALID_ARCHIVE'],
    ['43: an absolute name', () => tarOf({ name: 'Dockerfile' }, { name: '/etc/x' }), 'INVALID_ARCHIVE'],
    ['43: backslashes', () => tarOf({ name: 'Dockerfile' }, { name: '..\\x' }), 'INVALID_ARCHIVE'],
    ['43: a long name', () => tarOf({ name: 'Dockerfile' }, { name: 'x'.repeat(5000) }), 'INVALID_ARCHIVE'],
    [
      '44: an absolute link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: '/etc/shadow' }),
      'INVALID_ARCHIVE',
    ],
    [
      '44: a link that leads out',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: '../x' }),
      'INVALID_ARCHIVE',
    ],
    [
      '44: a link to itself',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: 'l' }),
      'INVALID_ARCHIVE',
    ],
    [
      '44: a file behind a link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: 'x' }, { name: 'l/y' }),
      'INVALID_ARCHIVE',
    ],
    [
      '44: a folder replaced by a link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'a/b' }, { name: 'a', type: 'symlink', linkname: 'x' }),
      'INVALID_ARCHIVE',
    ],
    [
      '44: a hard link',
      () => tarOf({ name: 'Dockerfile' }, { name: 'l', type: 'link', linkname: 'Dockerfile' }),
      'INVALID_ARCHIVE',
    ],
    ['45: a device', () => tarOf({ name: 'Dockerfile' }, { name: 'd', type: 'character-device' }), 'INVALID_ARCHIVE'],
    ['45: a pipe', () => tarOf({ name: 'Dockerfile' }, { name: 'p', type: 'fifo' }), 'INVALID_ARCHIVE'],
    ['46: the Dockerfile twice', () => tarOf({ name: 'Dockerfile' }, { name: 'Dockerfile' }), 'INVALID_ARCHIVE'],
    ['46: no Dockerfile', () => tarOf({ name: 'bot.py' }), 'INVALID_ARCHIVE'],
    [
      '46: a link as Dockerfile',
      () => tarOf({ name: 'x' }, { name: 'Dockerfile', type: 'symlink', linkname: 'x' }),
      'INVALID_ARCHIVE',
    ],
  ])('%s', { timeout: 30_000 }, async (_title, bytes, code, status = 400) => {
    const before = await doors.list();
    const sent = await bytes();
    const { status: got, body } = await doors.orchestrator.post(archive(sent));
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
    `41: the text ${JSON.stringify(value)}`,
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

describe('41 to 45: an uploaded archive', () => {
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
    [
      'a link that leads out',
      () => tarOf({ name: 'a' }, { name: 'l', type: 'symlink', linkname: '..' }),
      'INVALID_ARCHIVE',
    ],
    ['a hard link', () => tarOf({ name: 'a' }, { name: 'l', type: 'link', linkname: 'a' }), 'INVALID_ARCHIVE'],
  ])('with %s is refused and cannot be started', async (_title, bytes, code) => {
    const sent = await bytes();
    expect((await grpcRefusal(upload(sent))).detail?.code).toBe(code);
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

describe('51, 52: archive URLs', () => {
  const url =
    (code: string) =>
    (archive_url: string): HostileCase => [archive_url.slice(0, 60), { ...custom, archive_url }, code];
  doors.refuses([
    ...[
      'file:///etc/passwd',
      'ftp://example.com/x',
      'gopher://example.com/x',
      'data:,x',
      'javascript:alert(1)',
      'jar:https://example.com/x!/y',
      'unix:///var/run/docker.sock',
      'example.com/x.tar',
      '//example.com/x',
      'https:/\\evil',
      'https://good@evil',
      'https://me:pw@example.com/x',
      'https://example.com/x#@good',
      'https://example.com/%0d%0ax',
      ' https://example.com/x',
      `https://example.com/${'x'.repeat(5000)}`,
    ].map(url('INVALID_ARCHIVE_URL')),
    ...[
      'http://127.0.0.1/x',
      'http://127.1/x',
      'http://0/x',
      'http://0x7f000001/x',
      'http://2130706433/x',
      'http://017700000001/x',
      'http://localhost/x',
      'http://localhost./x',
      'http://[::1]/x',
      'http://[::ffff:127.0.0.1]/x',
      'http://169.254.169.254/x',
      'http://[fd00:ec2::254]/x',
      'http://metadata.google.internal/x',
      'http://100.100.100.200/x',
      'http://10.1.2.3/x',
      'http://172.17.0.1/x',
      'http://192.168.1.1/x',
      'http://100.64.0.1/x',
      'http://0.0.0.0/x',
      'http://224.0.0.1/x',
      'http://[64:ff9b::a9fe:a9fe]/x',
      'http://nats:4222/x',
    ].map(url('FORBIDDEN_URL')),
  ]);
});

describe('58 to 62: git', () => {
  const repo = (git_repo: string): HostileCase => [`58 to 60: ${git_repo}`, { ...custom, git_repo }, 'INVALID_GIT_URL'];
  const branch = (git_branch: string): HostileCase => [
    `61: ${git_branch.slice(0, 40)}`,
    { ...git, git_branch },
    'INVALID_GIT_REF',
  ];
  const subdir = (git_subdir: string): HostileCase => [
    `62: ${git_subdir}`,
    { ...git, git_subdir },
    'INVALID_FILE_PATH',
  ];
  doors.refuses([
    ...[
      'ext::sh -c touch% /tmp/x',
      'file:///srv/repo',
      '/srv/repo',
      'fd::17',
      'http://github.com/me/bot.git',
      'git://github.com/me/bot.git',
      'ssh://git@github.com/me/bot.git',
      'git@github.com:me/bot.git',
      '--upload-pack=touch pwn',
      'git@-oProxyCommand=x:y',
      'https://-oProxyCommand=x/y',
      'https://git hub.com/x',
      'https://github.com%0a/x',
      'https://user:pass@github.com/me/bot.git',
    ].map(repo),
    ['52: a repository on the own machine', { ...custom, git_repo: 'https://127.1/me/bot' }, 'FORBIDDEN_URL'],
    ...[
      'a..b',
      '@{-1}',
      'refs/../x',
      'main;rm',
      '-u',
      '--upload-pack=x',
      '0123456789abcdef0123456789abcdef01234567',
      'x'.repeat(1_000_000),
    ].map(branch),
    ...['..', '/', '/etc', 'a/../../etc', '-x', 'a\\b'].map(subdir),
  ]);

  it('60: what stands in a URL is not repeated, and the hint tells where it belongs', async () => {
    const { body } = await doors.orchestrator.post({
      ...custom,
      git_repo: 'https://me:canary-77@github.com/me/bot.git',
    });
    expect(JSON.stringify(body)).not.toContain('canary-77');
    expect(body.error.hint).toContain('git_auth');
  });
});

describe('68 to 74: images', () => {
  const named = (docker_image: string): HostileCase => [
    `68: ${JSON.stringify(docker_image).slice(0, 50)}`,
    { ...image, docker_image },
    'INVALID_IMAGE_NAME',
  ];
  const at = (docker_image: string): HostileCase => [
    `70: ${docker_image}`,
    { ...image, docker_image },
    'FORBIDDEN_REGISTRY',
  ];
  const auth = (title: string, registry_auth: unknown, code: string): HostileCase => [
    `74: ${title}`,
    { ...image, registry_auth },
    code,
  ];
  doors.refuses([
    ['68: ""', { ...image, docker_image: '' }, 'MISSING_DOCKER_IMAGE'],
    ['68: none', { ...image, docker_image: null }, 'MISSING_DOCKER_IMAGE'],
    ...[
      ' ',
      'a b',
      'UPPER/x',
      'http://r/x',
      '-x',
      'a@sha256:short',
      'x'.repeat(300),
      `x:${'t'.repeat(129)}`,
      'x:',
      'x/',
      '..',
      'реестр.рф/x',
      'a\n',
      'a\u0000',
    ].map(named),
    ...[
      'localhost:5000/x',
      '169.254.169.254/x',
      '10.0.0.5:22/x',
      '0x7f000001:5000/x',
      '[::1]:5000/x',
      'registry:5000/x',
      'me:pw@ghcr.io/x',
    ].map(at),
    ['72: an image of another bot', { ...image, docker_image: 'bot_image_abcdefghijklmnop:g1' }, 'INVALID_IMAGE_NAME'],
    ['72: an image id', { ...image, docker_image: `sha256:${'a'.repeat(64)}` }, 'INVALID_IMAGE_NAME'],
    ['72: a bare image id', { ...image, docker_image: 'a'.repeat(64) }, 'INVALID_IMAGE_NAME'],
    auth('text', 'me:pw', 'INVALID_REGISTRY_AUTH'),
    auth('a list', [], 'INVALID_REGISTRY_AUTH'),
    auth('nothing in it', {}, 'INCOMPLETE_REGISTRY_AUTH'),
    auth('no password', { username: 'me' }, 'INCOMPLETE_REGISTRY_AUTH'),
    auth('no user name', { password: 'pw' }, 'INCOMPLETE_REGISTRY_AUTH'),
    auth('line breaks', { username: 'me', password: 'a\r\nb' }, 'INVALID_REGISTRY_AUTH'),
    auth('a megabyte', { username: 'me', password: 'x'.repeat(1_000_000) }, 'INVALID_REGISTRY_AUTH'),
    auth('another server', { username: 'me', password: 'pw', serveraddress: 'evil.example' }, 'INVALID_REGISTRY_AUTH'),
  ]);
});

describe('over gRPC the same rules hold', () => {
  const gitOf = (value: object) => ({
    source: { case: 'custom' as const, value: { from: { case: 'git' as const, value } } },
  });
  const urlOf = (value: string) => ({
    source: { case: 'custom' as const, value: { from: { case: 'archiveUrl' as const, value } } },
  });
  const imageOf = (value: object) => ({ source: { case: 'image' as const, value } });
  const url = 'https://github.com/me/bot.git';
  it.each<[string, object, string, string]>([
    [
      '9: a custom source without a source',
      { source: { case: 'custom', value: {} } },
      'MISSING_SOURCE',
      'spec.custom.from',
    ],
    [
      '9: an artifact that is none',
      { source: { case: 'custom', value: { from: { case: 'artifactSha256', value: '../x' } } } },
      'MISSING_SOURCE',
      'spec.custom.artifact_sha256',
    ],
    ['51: a file as archive URL', urlOf('file:///etc/passwd'), 'INVALID_ARCHIVE_URL', 'spec.custom.archive_url'],
    [
      '52: the metadata service as archive URL',
      urlOf('http://169.254.169.254/x'),
      'FORBIDDEN_URL',
      'spec.custom.archive_url',
    ],
    ['58: ext:: as repository', gitOf({ url: 'ext::sh -c x' }), 'INVALID_GIT_URL', 'spec.custom.git.url'],
    ['60: a login in the URL', gitOf({ url: 'https://me:pw@github.com/x' }), 'INVALID_GIT_URL', 'spec.custom.git.url'],
    [
      '52: a repository on the own machine',
      gitOf({ url: 'https://localhost/x' }),
      'FORBIDDEN_URL',
      'spec.custom.git.url',
    ],
    [
      '61: a branch that is an option',
      gitOf({ url, ref: '--upload-pack=x' }),
      'INVALID_GIT_REF',
      'spec.custom.git.ref',
    ],
    ['62: a folder above', gitOf({ url, subdir: '../x' }), 'INVALID_FILE_PATH', 'spec.custom.git.subdir'],
    [
      '60: a login with a line break',
      gitOf({ url, credentials: { password: 'a\nb' } }),
      'INVALID_GIT_URL',
      'spec.custom.git.credentials',
    ],
    ['68: no image', imageOf({}), 'MISSING_DOCKER_IMAGE', 'spec.image.image'],
    ['68: an image that breaks the grammar', imageOf({ image: 'UPPER/x' }), 'INVALID_IMAGE_NAME', 'spec.image.image'],
    [
      '70: a registry on the own machine',
      imageOf({ image: '127.0.0.1:5000/x' }),
      'FORBIDDEN_REGISTRY',
      'spec.image.image',
    ],
    [
      '74: a login without password',
      imageOf({ image: 'ghcr.io/x', credentials: { username: 'me' } }),
      'INCOMPLETE_REGISTRY_AUTH',
      'spec.image.credentials',
    ],
  ])('%s', async (_title, spec, code, field) => {
    const before = await doors.list();
    const { code: status, detail } = await grpcRefusal(doors.bots.startBot({ botId: 'hostile', spec }));
    expect([status, detail?.code, detail?.details?.['field']]).toEqual([Code.InvalidArgument, code, field]);
    expect(detail?.hint).not.toBe('');
    expect(detail?.example).toBeDefined();
    expect(await doors.list()).toEqual(before);
  });

  it('18: a bad bot id, for every call', async () => {
    for (const botId of ['a b', '../x', 'a\n', 'ａ']) {
      for (const call of [
        doors.bots.startBot({ botId }),
        doors.bots.stopBot({ botId }),
        doors.bots.restartBot({ botId }),
        doors.bots.deleteBot({ botId }),
        doors.bots.getBot({ botId }),
      ]) {
        expect((await grpcRefusal(call)).detail?.code).toBe('INVALID_BOT_ID');
      }
    }
  });

  it('sources that are good are accepted', async () => {
    for (const spec of [
      gitOf({ url, ref: 'main', subdir: 'a', credentials: { password: 'token' } }),
      urlOf('https://example.com/x.tgz'),
      imageOf({ image: 'ghcr.io/me/bot' }),
    ]) {
      expect((await doors.bots.startBot({ botId: 'sources', spec })).job?.jobId).not.toBe('');
    }
    await doors.bots.deleteBot({ botId: 'sources' });
  });
});
