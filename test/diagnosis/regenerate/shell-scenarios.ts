/** How a shell and the kernel refuse to run a bot's start script. */
import type { Scenario } from './scenario.ts';

const script = 'run.sh';
const crlf = (text: string) => text.replaceAll('\n', '\r\n');

export const shellScenarios: readonly Scenario[] = [
  {
    name: 'shell-crlf-bash',
    kind: 'run',
    files: { [script]: crlf('#!/bin/sh\nexec python bot.py\n') },
    executable: [script],
    argv: () => ['bash', '-c', './run.sh'],
  },
  {
    name: 'shell-crlf-env',
    kind: 'run',
    files: { 'bot.py': crlf('#!/usr/bin/env python3\nprint(1)\n') },
    executable: ['bot.py'],
    argv: () => ['sh', '-c', './bot.py'],
  },
  {
    name: 'shell-crlf-set',
    kind: 'run',
    files: { [script]: crlf('#!/bin/sh\nset -e\ncd /app\npython bot.py\n') },
    argv: () => ['sh', script],
  },
  {
    name: 'shell-not-executable',
    kind: 'run',
    files: { 'entrypoint.sh': '#!/bin/sh\nexec python bot.py\n' },
    argv: () => ['sh', '-c', './entrypoint.sh'],
  },
  {
    name: 'shell-not-executable-bash',
    kind: 'run',
    files: { 'entrypoint.sh': '#!/bin/sh\nexec python bot.py\n' },
    argv: () => ['bash', '-c', './entrypoint.sh'],
  },
  {
    name: 'shell-exec-format',
    kind: 'run',
    files: { start: '\u007fELF\u0002\u0001\u0001\u0000\u0000\u0000' },
    executable: ['start'],
    argv: () => ['bash', '-c', './start'],
  },
  {
    name: 'shell-command-absent',
    kind: 'run',
    files: { [script]: '#!/bin/sh\nffmpeg -i in.ogg out.mp3\n' },
    argv: () => ['sh', script],
  },
  {
    name: 'shell-fork',
    kind: 'run',
    nobody: true,
    argv: () => ['prlimit', '--nproc=0', 'sh', '-c', 'sleep 1 | sleep 1'],
  },
  {
    name: 'shell-fork-bash',
    kind: 'run',
    nobody: true,
    until: /fork: retry/,
    argv: () => ['prlimit', '--nproc=0', 'bash', '-c', 'sleep 1 | sleep 1'],
  },
  {
    name: 'build-fork',
    kind: 'build',
    nobody: true,
    argv: () => ['prlimit', '--nproc=0', 'sh', '-c', 'sleep 1 | sleep 1'],
  },
  {
    name: 'shell-crlf-bash-script',
    unseen: true,
    kind: 'run',
    files: { [script]: crlf('#!/bin/bash\nset -euo pipefail\ncd "$(dirname "$0")"\npython bot.py\n') },
    argv: () => ['bash', script],
  },
];
