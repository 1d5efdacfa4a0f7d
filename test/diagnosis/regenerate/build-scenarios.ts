/** pip, npm and git, as builds and fetches run them. */
import type { Scenario } from './scenario.ts';

const pip = (name: string, requirements: string, more: Partial<Scenario> = {}, index?: string): Scenario => ({
  name,
  kind: 'build',
  files: { 'requirements.txt': `${requirements}\n` },
  argv: (servers) => [
    ...['python', '-m', 'pip', 'install', '--no-cache-dir', '--disable-pip-version-check', '--no-input'],
    ...['--root-user-action=ignore', '--target', 'installed', '--index-url', index ?? servers.pipIndex],
    ...['-r', 'requirements.txt'],
  ],
  ...more,
});
const pipFrom = (index: (servers: Parameters<Scenario['argv']>[0]) => string) => ({
  argv: (servers: Parameters<Scenario['argv']>[0]) => [
    ...['python', '-m', 'pip', 'install', '--no-cache-dir', '--disable-pip-version-check', '--no-input'],
    ...['--root-user-action=ignore', '--target', 'installed', '--index-url', index(servers), '-r', 'requirements.txt'],
  ],
});

const npmOptions = [
  '--omit=dev',
  '--no-audit',
  '--no-fund',
  '--no-package-lock',
  '--no-update-notifier',
  '--cache=cache',
];
const npm = (
  name: string,
  dependencies: Readonly<Record<string, string>>,
  more: Partial<Scenario> & {
    readonly registry?: (servers: Parameters<Scenario['argv']>[0]) => string;
    readonly options?: readonly string[];
  } = {},
): Scenario => {
  const { registry = ({ npmRegistry }) => npmRegistry, options = [], ...rest } = more;
  return {
    name,
    kind: 'build',
    files: { 'package.json': JSON.stringify({ name: 'bot', version: '1.0.0', dependencies }) },
    argv: (servers) => ['npm', 'install', ...npmOptions, `--registry=${registry(servers)}`, ...options],
    ...rest,
  };
};

const git = (
  name: string,
  url: Parameters<typeof pipFrom>[0],
  more: Partial<Scenario> & { readonly options?: readonly string[] } = {},
): Scenario => {
  const { options = [], ...rest } = more;
  return {
    name,
    kind: 'git',
    argv: (servers) => ['git', 'clone', '--quiet', ...options, url(servers), 'checkout'],
    ...rest,
  };
};

export const buildScenarios: readonly Scenario[] = [
  pip(
    'pip-closed-index',
    'aiogram',
    pipFrom(({ closed }) => `${closed}/simple`),
  ),
  pip('pip-name-resolution', 'aiogram', { ...pipFrom(() => 'https://packages.example.com/simple'), offline: true }),
  pip('pip-no-such-package', 'aiogramm'),
  pip('pip-no-such-version', 'aiogram>=99'),
  pip('pip-conflict', 'alpha\nbeta'),
  pip('pip-requires-python', 'modern'),
  pip('pip-invalid-requirement', 'aiogram >> 3'),
  pip(
    'pip-certificate',
    'aiogram',
    pipFrom(({ untrusted }) => `${untrusted}/simple`),
  ),
  pip(
    'pip-unauthorized',
    'aiogram',
    pipFrom(({ lockedGitServer }) => `${lockedGitServer}/simple`),
  ),
  pip('pip-compiler', './native', {
    files: {
      'requirements.txt': './native\n',
      'native/setup.py':
        'from setuptools import Extension, setup\nsetup(name="native", version="1", ext_modules=[Extension("native", ["native.c"])])\n',
      'native/native.c': 'int x;\n',
    },
    argv: () => [
      'python',
      '-m',
      'pip',
      'install',
      '--disable-pip-version-check',
      '--no-index',
      '--no-build-isolation',
      '--target',
      'installed',
      './native',
    ],
    env: () => ({ CC: 'gcc-absent' }),
    pip: ['setuptools>=75,<80'],
  }),
  pip('pip-setup-fails', './old', {
    files: { 'requirements.txt': './old\n', 'old/setup.py': 'raise SystemExit("cannot be built here")\n' },
    argv: () => [
      'python',
      '-m',
      'pip',
      'install',
      '--disable-pip-version-check',
      '--no-index',
      '--no-build-isolation',
      '--target',
      'installed',
      './old',
    ],
  }),
  pip('pip-git-absent', 'git+https://git.example.com/team/bot.git', {
    argv: () => [
      'sh',
      '-c',
      'PATH=$(dirname $(command -v python)) exec python -m pip install --target installed -r requirements.txt',
    ],
  }),
  pip('pip-hash', 'aiogram --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000'),
  pip('pip-missing-file', '-r base.txt'),
  pip('pip-disk-full', 'aiogram', {
    argv: ({ pipIndex }) => [
      ...['unshare', '-m', 'sh', '-c'],
      `mount -t tmpfs -o size=64k tmpfs /mnt && TMPDIR=/mnt exec python -m pip install --no-cache-dir --disable-pip-version-check --target /mnt/x --index-url ${pipIndex} aiogram`,
    ],
  }),
  npm('npm-closed-registry', { grammy: '*' }, { registry: ({ closed }) => closed, options: ['--fetch-retries=0'] }),
  npm(
    'npm-name-resolution',
    { grammy: '*' },
    { registry: () => 'https://packages.example.com/', offline: true, options: ['--fetch-retries=0'] },
  ),
  npm('npm-no-such-package', { grammmy: '*' }),
  npm('npm-no-such-version', { grammy: '^99.0.0' }),
  npm('npm-conflict', { gamma: '1.0.0', delta: '1.0.0' }),
  npm(
    'npm-certificate',
    { grammy: '*' },
    { registry: ({ untrusted }) => `${untrusted}/`, options: ['--fetch-retries=0'] },
  ),
  npm('npm-engine', { modern: '*' }, { options: ['--engine-strict'] }),
  npm('npm-invalid-json', {}, { files: { 'package.json': '{"name": "bot",}\n' } }),
  npm('npm-unauthorized', { grammy: '*' }, { registry: ({ lockedGitServer }) => `${lockedGitServer}/` }),
  npm('npm-invalid-name', { 'Bad Name!': '*' }),
  npm(
    'npm-script-fails',
    {},
    {
      files: {
        'package.json': JSON.stringify({
          name: 'bot',
          version: '1.0.0',
          scripts: { postinstall: 'node-gyp-absent rebuild' },
        }),
      },
    },
  ),
  npm(
    'npm-lock',
    { grammy: '*' },
    {
      files: {
        'package.json': JSON.stringify({ name: 'bot', version: '1.0.0', dependencies: { grammy: '*' } }),
        'package-lock.json': JSON.stringify({
          name: 'bot',
          version: '1.0.0',
          lockfileVersion: 3,
          packages: { '': { name: 'bot', version: '1.0.0' } },
        }),
      },
      argv: ({ npmRegistry }) => ['npm', 'ci', '--no-audit', '--no-fund', '--cache=cache', `--registry=${npmRegistry}`],
    },
  ),
  git('git-absent', ({ gitServer }) => `${gitServer}/absent.git`),
  git('git-closed', ({ closed }) => `${closed}/bot.git`),
  git('git-name-resolution', () => 'https://git.example.com/team/bot.git', { offline: true }),
  git('git-wants-credentials', ({ lockedGitServer }) => `${lockedGitServer}/bot.git`),
  git('git-certificate', ({ untrusted }) => `${untrusted}/bot.git`),
  // Set aside.
  pip('pip-24-closed-index', 'pyTelegramBotAPI==4.*', {
    ...pipFrom(({ closed }) => `${closed}/simple`),
    python: '3.13',
    unseen: true,
  }),
  pip('pip-24-conflict', 'alpha==1.0\nbeta\nshared<2', { python: '3.13', unseen: true }),
  pip('pip-24-certificate', 'discord.py', {
    ...pipFrom(({ untrusted }) => `${untrusted}/simple/`),
    python: '3.13',
    unseen: true,
  }),
  npm('npm-scoped-absent', { '@company/bot-kit': '^2.0.0' }, { unseen: true }),
  git('git-wrong-credentials', ({ lockedGitServer }) => `${lockedGitServer.replace('://', '://ann:wrong@')}/bot.git`, {
    unseen: true,
  }),
];
