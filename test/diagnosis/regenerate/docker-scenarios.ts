/** A Docker engine's own words: its builds, its refusals to start a container, its pulls from a registry. */
import type { Scenario } from './scenario.ts';

const crlf = (text: string) => text.replaceAll('\n', '\r\n');
const script = '#!/bin/sh\necho started\n';

const inDocker = (scenario: Omit<Scenario, 'env' | 'docker'>): Scenario => ({
  ...scenario,
  docker: true,
  // The classic builder, which is the one that the worker uses.
  env: ({ docker }) => ({ DOCKER_HOST: docker?.host ?? '', DOCKER_BUILDKIT: '0' }),
});

const build = (name: string, dockerfile: string, files: Readonly<Record<string, string>> = {}): Scenario =>
  inDocker({
    name,
    kind: 'build',
    files: { Dockerfile: `FROM python:3.11-slim\nWORKDIR /app\n${dockerfile}\n`, ...files },
    argv: () => ['docker', 'build', '--network', 'none', '.'],
  });

/** Builds an image, and starts it. */
const start = (
  name: string,
  dockerfile: string,
  files: Readonly<Record<string, string>>,
  more: Partial<Scenario> = {},
  options = '',
): Scenario =>
  inDocker({
    name,
    kind: 'refusal',
    files: { Dockerfile: `FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\n${dockerfile}\n`, ...files },
    argv: () => ['sh', '-c', `docker build -q -t ${name} . >/dev/null 2>&1; exec docker run --rm ${options} ${name}`],
    ...more,
  });

const pull = (
  name: string,
  image: (docker: NonNullable<Parameters<Scenario['argv']>[0]['docker']>) => string,
): Scenario =>
  inDocker({
    name,
    kind: 'pull',
    argv: ({ docker }) => ['docker', 'pull', docker === undefined ? '' : image(docker)],
  });

export const dockerScenarios: readonly Scenario[] = [
  build('docker-copy-absent', 'COPY bots/main.py .'),
  build('docker-run-not-executable', 'COPY setup.sh .\nRUN ./setup.sh', { 'setup.sh': script }),
  build('docker-run-crlf', 'COPY . .\nRUN sh setup.sh', { 'setup.sh': crlf('#!/bin/sh\nset -e\nmkdir /app/x\n') }),
  build('docker-run-absent-program', 'RUN curl -fsSL https://files.example.com/x -o x'),
  build('docker-run-pip-offline', 'RUN python3 -m pip install --index-url https://packages.example.com/simple aiogram'),
  build('docker-run-module', 'COPY setup.py .\nRUN python3 setup.py', { 'setup.py': 'import requests\n' }),
  start('docker-entrypoint-not-executable', 'ENTRYPOINT ["/app/entrypoint.sh"]', { 'entrypoint.sh': script }),
  start('docker-entrypoint-absent', 'ENTRYPOINT ["/app/start.sh"]', { 'bot.py': 'print(1)\n' }),
  start('docker-program-absent', 'CMD ["uvicorn", "bot:app"]', { 'bot.py': 'print(1)\n' }),
  start(
    'docker-entrypoint-crlf',
    'ENTRYPOINT ["/app/entrypoint.sh"]',
    { 'entrypoint.sh': crlf(script) },
    { executable: ['entrypoint.sh'], kind: 'run' },
  ),
  start(
    'docker-entrypoint-format',
    'ENTRYPOINT ["/app/entrypoint.sh"]',
    { 'entrypoint.sh': 'echo started\n' },
    { executable: ['entrypoint.sh'], kind: 'run' },
  ),
  // With an init, as the worker starts its containers.
  ...(
    [
      ['docker-init-not-executable', script, []],
      ['docker-init-crlf', crlf(script), ['entrypoint.sh']],
    ] as const
  ).map(([name, text, executable]) =>
    start(name, 'ENTRYPOINT ["/app/entrypoint.sh"]', { 'entrypoint.sh': text }, { executable, kind: 'run' }, '--init'),
  ),
  start('docker-init-absent', 'CMD ["uvicorn", "bot:app"]', { 'bot.py': 'print(1)\n' }, { kind: 'run' }, '--init'),
  pull('registry-absent', ({ openRegistry }) => `${openRegistry}/team/absent:1`),
  pull('registry-wants-credentials', ({ registry }) => `${registry}/team/bot:1`),
  pull('registry-closed', ({ address }) => `${address}:9/team/bot:1`),
];
