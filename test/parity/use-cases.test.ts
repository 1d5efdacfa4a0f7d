/** The original's use cases 1 to 32, and the test of each. What needs the internet is proved with a stand-in. */
import { expect, it } from 'vitest';
import { type Proof, provenBy } from './proven-by.ts';

const docker = 'test/e2e/docker.test.ts';
const sources = 'test/e2e/sources.test.ts';
const scenarios = 'test/e2e/seed/scenarios.test.ts';
const checklist = 'test/e2e/seed/checklist.test.ts';
const parity = 'test/parity/docker.test.ts';
const services = 'UC 6, 23, 24, 26: a bot reaches services that its env names (an API, Redis, a database, a storage)';
const registry = 'checklist: Private registry works - wrong password, none and a missing image are told apart';
const git = 'checklist: Git repository works - the default branch is found, --branch and --subdir are used';

const proofs: readonly Proof[] = [
  ['UC 1: echo', docker, 'a start with requirements builds, runs, answers, is listed, logged and stopped'],
  ['UC 2: several files', checklist, 'checklist: Several files works'],
  ['UC 3: a directory with a requirements file', checklist, 'checklist: Directory works'],
  ['UC 4: inline', parity, '--simple --inline --code (UC 4: inline code)'],
  [
    'UC 5: SQLite in the data volume',
    parity,
    'update and restart need nothing again (UC 5, 22), and only the code layer is built anew',
  ],
  ['UC 6: an external API', parity, services],
  ['UC 7: a directory with a Dockerfile', scenarios, 'scenario 3: Custom mode - directory with Dockerfile'],
  ['UC 8: git', scenarios, 'scenario 4: Custom mode - Git repository'],
  [
    'UC 9: private git',
    sources,
    'a private git repository: the command line moves user and token out of the URL, and says so',
  ],
  ['UC 10: GitLab and a branch, which differ from GitHub by address only', sources, git],
  ['UC 11: a tar.gz by URL', sources, 'checklist: Archive URL works'],
  [
    'UC 12: packages of the system',
    parity,
    'UC 12: a Dockerfile installs programs of the system, which the bot may run',
  ],
  ['UC 13: a model: a large binary file arrives intact', checklist, 'checklist: Directory works'],
  [
    'UC 13: a model: more memory than usual',
    'cli/commands/sources.test.ts',
    'limits, environment and takeover go along',
  ],
  ['UC 14: a public image', sources, 'checklist: Public image works'],
  ['UC 15: GHCR, a registry with a password like any other', sources, registry],
  ['UC 16: a private registry', sources, registry],
  ['UC 17: Docker Hub: an image without a registry', scenarios, 'scenario 5: Image mode'],
  ['UC 18: list', checklist, 'checklist: list shows the bots'],
  ['UC 19: status', checklist, 'checklist: status shows the status'],
  ['UC 20: logs -n', checklist, 'checklist: logs shows the logs'],
  ['UC 21: stop', checklist, 'checklist: stop stops the bot'],
  ['UC 22: restart', parity, 'update and restart need nothing again (UC 5, 22), and only the code layer is built anew'],
  ['UC 23: Redis', parity, services],
  ['UC 24: a database', parity, services],
  // Bots have no published ports: a webhook comes through a tunnel, which the bot opens outwards like any connection.
  ['UC 25: a webhook by a tunnel', parity, services],
  ['UC 26: a storage', parity, services],
  [
    'UC 27: no port is published: container by container its options are fixed',
    'worker/runtime/docker/container-options.test.ts',
    'is exactly this',
  ],
  [
    'UC 28: a bot that lives long',
    docker,
    'a running bot outlives kill -9 of the orchestrator and of the worker, in the same container',
  ],
  ['UC 29: a time zone', parity, 'UC 29: TZ is the time zone of the bot'],
  [
    'UC 30: i18n',
    parity,
    'directory names flattened, non-UTF-8 files: a folder next to a file keeps both (UC 30: i18n)',
  ],
  ['UC 31: no port is published', 'worker/runtime/docker/container-options.test.ts', 'is exactly this'],
  ['UC 32: debug logs', parity, 'UC 32: a traceback, stdout and stderr are in the log'],
];

provenBy(proofs);

it('no use case is missing', () => {
  const numbers = new Set(proofs.map(([line]) => Number(/^UC (\d+)/.exec(line)?.[1])));
  expect(Array.from({ length: 32 }, (_, index) => index + 1).filter((number) => !numbers.has(number))).toEqual([]);
});
