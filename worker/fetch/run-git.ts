/**
 * Runs git for repositories of strangers: nothing of the machine's or the user's configuration, no hooks, no helpers, no
 * redirects, no proxies, no questions. Credentials go through the environment of the askpass program only.
 */

import { spawn } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onAbort } from '#common/waiting/abort.ts';

export interface GitCredentials {
  readonly username: string;
  readonly password: string;
}

export interface GitSetting {
  /** Home, temporary files and the askpass program. */
  readonly dir: string;
  /** For GIT_ALLOW_PROTOCOL. */
  readonly protocols: readonly string[];
  /** HOST:PORT:ADDRESS[,ADDRESS], so that git connects to addresses that were judged. */
  readonly pinned: string | undefined;
  readonly credentials: GitCredentials | undefined;
}

export interface GitOutcome {
  readonly code: number | null;
  readonly stdout: string;
  /** For being recognised, never for being shown: it can hold addresses, paths and whatever a server wrote. */
  readonly stderr: string;
}

const outputMaxBytes = 256 * 1024;
// What `ulimit` takes (POSIX sh and dash): blocks of 512 bytes, KiB, seconds. No file that git writes, a pack above all, gets larger than 1 GiB, and
// no process of git has more than 1 GiB of address space or a minute of CPU.
const limits = ['-f 2097152', '-v 1048576', '-t 60'];
// Memory that git takes for packs, within the address space it has; larger objects are streamed.
const memorySettings = [
  'core.bigFileThreshold=16m',
  'core.packedGitWindowSize=32m',
  'core.packedGitLimit=128m',
  'core.deltaBaseCacheLimit=32m',
  'pack.threads=1',
  // A pack stays one file: unpacked, a thousand tiny objects would be a thousand files.
  'fetch.unpackLimit=1',
];

const askpass = `#!/bin/sh
case "$1" in
  Username*) printf '%s\\n' "$FETCH_USERNAME" ;;
  *) printf '%s\\n' "$FETCH_PASSWORD" ;;
esac
`;

/** Must be called once for a setting with credentials. */
export async function writeAskpass(dir: string): Promise<void> {
  const path = join(dir, 'askpass');
  await writeFile(path, askpass, { mode: 0o700 });
  await chmod(path, 0o700);
}

/**
 * Resolves with how it ended; rejects with the signal's reason after ending git and all that it started. With `onStdout` the
 * all output goes there piece by piece, and is not part of the outcome.
 */
export function runGit(
  setting: GitSetting,
  args: readonly string[],
  signal: AbortSignal,
  onStdout?: (piece: string) => void,
): Promise<GitOutcome> {
  const settings = [
    'credential.helper=',
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'core.askPass=',
    'http.followRedirects=false',
    'http.proxy=',
    'submodule.recurse=false',
    'gc.auto=0',
    'maintenance.auto=false',
    ...memorySettings,
    ...(setting.pinned === undefined ? [] : [`http.curloptResolve=${setting.pinned}`]),
  ];
  const all = [...settings.flatMap((entry) => ['-c', entry]), ...args];
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    // The shell sets the limits (those that are lower already stay) and becomes git; arguments are handed over as they are.
    const child = spawn(
      '/bin/sh',
      ['-c', `${limits.map((limit) => `ulimit ${limit} 2>/dev/null; `).join('')}exec git "$@"`, 'git', ...all],
      {
        cwd: setting.dir,
        env: environment(setting),
        stdio: ['ignore', 'pipe', 'pipe'],
        // A group of its own: git's helpers go with it.
        detached: true,
      },
    );
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        if (name === 'stdout' && onStdout !== undefined) onStdout(chunk);
        else if (texts[name].length < outputMaxBytes) texts[name] += chunk;
      });
    }
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The whole group has ended.
      }
    };
    const letGo = onAbort(signal, end);
    child.once('error', reject);
    child.once('close', (code) => {
      letGo();
      if (signal.aborted) reject(signal.reason);
      else resolve({ code, ...texts });
    });
  });
}

const environment = ({ dir, protocols, credentials }: GitSetting): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: dir,
  TMPDIR: dir,
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: protocols.join(':'),
  GIT_LFS_SKIP_SMUDGE: '1',
  ...(credentials && {
    GIT_ASKPASS: join(dir, 'askpass'),
    // Hosts that take a token as the password want some name beside it.
    FETCH_USERNAME: credentials.username || 'git',
    FETCH_PASSWORD: credentials.password,
  }),
});
