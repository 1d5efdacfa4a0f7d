/**
 * Hostile places that bots are to come from, over REST and gRPC: URLs, repositories and images. Numbered as in
 * INPUTS.md. No test sends a packet anywhere but to the orchestrator.
 */
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { custom, git, grpcRefusal, type HostileCase, image, openHostileDoors } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

describe('hostile 51, 52: archive URLs', () => {
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

describe('git', () => {
  const repo = (git_repo: string): HostileCase => [
    `hostile 58, 59, 60: ${git_repo}`,
    { ...custom, git_repo },
    'INVALID_GIT_URL',
  ];
  const branch = (git_branch: string): HostileCase => [
    `hostile 61: ${git_branch.slice(0, 40)}`,
    { ...git, git_branch },
    'INVALID_GIT_REF',
  ];
  const subdir = (git_subdir: string): HostileCase => [
    `hostile 62: ${git_subdir}`,
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
    ['hostile 52: a repository on the own machine', { ...custom, git_repo: 'https://127.1/me/bot' }, 'FORBIDDEN_URL'],
    ...['a..b', '@{-1}', 'refs/../x', 'main;rm', '-u', '--upload-pack=x', 'x'.repeat(1_000_000)].map(branch),
    ...['..', '/', '/etc', 'a/../../etc', '-x', 'a\\b'].map(subdir),
  ]);

  it('hostile 60: what stands in a URL is not repeated, and the hint tells where it belongs', async () => {
    const { body } = await doors.orchestrator.post({
      ...custom,
      git_repo: 'https://me:canary-77@github.com/me/bot.git',
    });
    expect(JSON.stringify(body)).not.toContain('canary-77');
    expect(body.error.hint).toContain('git_auth');
  });
});

describe('images', () => {
  const named = (docker_image: string): HostileCase => [
    `hostile 68: ${JSON.stringify(docker_image).slice(0, 50)}`,
    { ...image, docker_image },
    'INVALID_IMAGE_NAME',
  ];
  const at = (docker_image: string): HostileCase => [
    `hostile 70: ${docker_image}`,
    { ...image, docker_image },
    'FORBIDDEN_REGISTRY',
  ];
  const auth = (title: string, registry_auth: unknown, code: string): HostileCase => [
    `hostile 74: ${title}`,
    { ...image, registry_auth },
    code,
  ];
  doors.refuses([
    ['hostile 68: ""', { ...image, docker_image: '' }, 'MISSING_DOCKER_IMAGE'],
    ['hostile 68: none', { ...image, docker_image: null }, 'MISSING_DOCKER_IMAGE'],
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
    [
      'hostile 72: an image of another bot',
      { ...image, docker_image: 'bot_image_abcdefghijklmnop:g1' },
      'INVALID_IMAGE_NAME',
    ],
    ['hostile 72: an image id', { ...image, docker_image: `sha256:${'a'.repeat(64)}` }, 'INVALID_IMAGE_NAME'],
    ['hostile 72: a bare image id', { ...image, docker_image: 'a'.repeat(64) }, 'INVALID_IMAGE_NAME'],
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
      'hostile 9: a custom source without a source',
      { source: { case: 'custom', value: {} } },
      'MISSING_SOURCE',
      'spec.custom.from',
    ],
    [
      'hostile 9: an artifact that is none',
      { source: { case: 'custom', value: { from: { case: 'artifactSha256', value: '../x' } } } },
      'MISSING_SOURCE',
      'spec.custom.artifact_sha256',
    ],
    [
      'hostile 51: a file as archive URL',
      urlOf('file:///etc/passwd'),
      'INVALID_ARCHIVE_URL',
      'spec.custom.archive_url',
    ],
    [
      'hostile 52: the metadata service as archive URL',
      urlOf('http://169.254.169.254/x'),
      'FORBIDDEN_URL',
      'spec.custom.archive_url',
    ],
    ['hostile 58: ext:: as repository', gitOf({ url: 'ext::sh -c x' }), 'INVALID_GIT_URL', 'spec.custom.git.url'],
    [
      'hostile 60: a login in the URL',
      gitOf({ url: 'https://me:pw@github.com/x' }),
      'INVALID_GIT_URL',
      'spec.custom.git.url',
    ],
    [
      'hostile 52: a repository on the own machine',
      gitOf({ url: 'https://localhost/x' }),
      'FORBIDDEN_URL',
      'spec.custom.git.url',
    ],
    [
      'hostile 61: a branch that is an option',
      gitOf({ url, ref: '--upload-pack=x' }),
      'INVALID_GIT_REF',
      'spec.custom.git.ref',
    ],
    ['hostile 62: a folder above', gitOf({ url, subdir: '../x' }), 'INVALID_FILE_PATH', 'spec.custom.git.subdir'],
    [
      'hostile 60: a login with a line break',
      gitOf({ url, credentials: { password: 'a\nb' } }),
      'INVALID_GIT_URL',
      'spec.custom.git.credentials',
    ],
    ['hostile 68: no image', imageOf({}), 'MISSING_DOCKER_IMAGE', 'spec.image.image'],
    [
      'hostile 68: an image that breaks the grammar',
      imageOf({ image: 'UPPER/x' }),
      'INVALID_IMAGE_NAME',
      'spec.image.image',
    ],
    [
      'hostile 70: a registry on the own machine',
      imageOf({ image: '127.0.0.1:5000/x' }),
      'FORBIDDEN_REGISTRY',
      'spec.image.image',
    ],
    [
      'hostile 74: a login without password',
      imageOf({ image: 'ghcr.io/x', credentials: { username: 'me' } }),
      'INCOMPLETE_REGISTRY_AUTH',
      'spec.image.credentials',
    ],
  ])('%s', async (_title, spec, code, field) => {
    const before = await doors.list();
    const { code: status, detail } = await doors.leavesNothing(() =>
      grpcRefusal(doors.bots.startBot({ botId: 'hostile', spec })),
    );
    expect([status, detail?.code, detail?.details?.['field']]).toEqual([Code.InvalidArgument, code, field]);
    expect(detail?.hint).not.toBe('');
    expect(detail?.example).toBeDefined();
    expect(await doors.list()).toEqual(before);
  });

  it('hostile 18: a bad bot id, for every call', async () => {
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
