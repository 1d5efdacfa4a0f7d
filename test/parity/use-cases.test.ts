/**
 * The original's use cases 1 to 32, and the test of each: what is shown with a stand-in, and what the product does not do,
 * is in the row. The commands of all of them, word for word, are in use-case-commands.test.ts.
 */
import { expect, it } from 'vitest';
import { type Proof, provenBy } from './proven-by.ts';

const docker = 'test/e2e/docker.test.ts';
const sources = 'test/e2e/sources.test.ts';
const scenarios = 'test/e2e/seed/scenarios.test.ts';
const checklist = 'test/e2e/seed/checklist.test.ts';
const parity = 'test/parity/docker.test.ts';
const services = 'test/parity/services.test.ts';
const images = 'test/parity/images.test.ts';
const largeFiles = 'test/parity/large-files.test.ts';
const ports = 'test/parity/ports.test.ts';
const commands = 'test/parity/use-case-commands.test.ts';
const realTokens = 'test/e2e/seed/real-tokens.test.ts';
const registry = 'checklist: Private registry works - wrong password, none and a missing image are told apart';
const hub =
  'UC 14, 17: an image that names no registry is pulled from Docker Hub, by its mirror, and runs with its env';
const git = 'checklist: Git repository works - the default branch is found, --branch and --subdir are used';

const proofs: readonly Proof[] = [
  ['UC 1: echo', docker, 'a start with requirements builds, runs, answers, is listed, logged and stopped'],
  ['UC 1: echo, with a token of a real form', realTokens, 'scenario 1: Simple mode - one file'],
  ['UC 2: several files', checklist, 'checklist: Several files works'],
  ['UC 3: a directory with a requirements file', checklist, 'checklist: Directory works'],
  ['UC 4: inline', parity, '--simple --inline --code (UC 4: inline code)'],
  [
    'UC 5: SQLite beside the code, and in the data volume',
    parity,
    'UC 5, 22: a database beside the code outlives a restart and ends with a stop, and one in /data outlives both',
  ],
  ['UC 6: an external API', services, 'UC 6: a bot calls an external API with the key of its env'],
  ['UC 7: a directory with a Dockerfile', scenarios, 'scenario 3: Custom mode - directory with Dockerfile'],
  ['UC 8: git', scenarios, 'scenario 4: Custom mode - Git repository'],
  [
    'UC 9: private git',
    sources,
    'a private git repository: the command line moves user and token out of the URL, and says so',
  ],
  ['UC 10: a branch', sources, git],
  // GitLab cannot be reached from a test: its address is accepted as a repository, and the rest is git.
  ['UC 10: GitLab', commands, 'UC 10: GitLab and a branch'],
  ['UC 11: a tar.gz by URL', sources, 'checklist: Archive URL works'],
  [
    'UC 12: packages of the system, from an archive of the test',
    images,
    "UC 12: a Dockerfile installs programs by apt-get, which the bot runs: the use case's Dockerfile, on an archive of the test",
  ],
  [
    'UC 13: a model: a large binary file, and more memory than usual',
    largeFiles,
    'UC 13: a model of 96 MiB arrives byte by byte in a bot of a Dockerfile, which holds it with --memory 512m',
  ],
  [
    'UC 13: a model in simple mode, and too little memory',
    largeFiles,
    'UC 13: the same in simple mode, where 256 MB, which a bot gets unless it asks, are too few: the start says so',
  ],
  [
    'UC 13: a model of more than 200 MB: not done, and said',
    largeFiles,
    'UC 13: a folder of more than 200 MB is refused, with what to do instead, and nothing is started',
  ],
  ['UC 14: a public image that is there', sources, 'checklist: Public image works'],
  ['UC 14: a public image that is pulled', images, hub],
  ['UC 15: GHCR, a registry with a password like any other', sources, registry],
  ['UC 16: a private registry', sources, registry],
  ['UC 17: Docker Hub, by a mirror', images, hub],
  ['UC 18: list', checklist, 'checklist: list shows the bots'],
  ['UC 19: status', checklist, 'checklist: status shows the status'],
  ['UC 20: logs -n', checklist, 'checklist: logs shows the logs'],
  ['UC 21: stop', checklist, 'checklist: stop stops the bot'],
  ['UC 22: restart', parity, 'update and restart need nothing again (UC 5, 22), and nothing is built again'],
  [
    'UC 22: restart by hand, stop and start with everything again',
    parity,
    'UC 5, 22: a database beside the code outlives a restart and ends with a stop, and one in /data outlives both',
  ],
  [
    'UC 23: Redis at an address of a machine',
    services,
    'UC 23: a bot keeps its state in a real Redis, by an address of the machine, over a restart',
  ],
  [
    'UC 23: Redis by the name of a container on the bots’ network: not done',
    services,
    'UC 23: redis://redis:6379, a container beside the bot on its network, is not reached: the product does not do it',
  ],
  [
    'UC 24: PostgreSQL at an address of a machine',
    services,
    'UC 24: a bot of a Dockerfile keeps its rows in a real PostgreSQL, over an update',
  ],
  [
    'UC 25: a webhook by a tunnel',
    services,
    'UC 25: a webhook reaches the port of a bot by a tunnel that the bot opens outwards',
  ],
  [
    'UC 26: a storage, with a real client on a stand-in',
    services,
    'UC 26: a bot puts a file into an S3 storage and gets it back, with the keys of its env',
  ],
  ['UC 27: metrics at a port: not done', ports, 'UC 27: the metrics of METRICS_PORT=9090 are served inside only'],
  [
    'UC 28: a bot that lives long',
    docker,
    'a running bot outlives kill -9 of the orchestrator and of the worker, in the same container',
  ],
  [
    'UC 29: scheduled tasks in a time zone',
    parity,
    'UC 29: scheduled tasks run again and again, in the time zone of TZ',
  ],
  [
    'UC 30: i18n',
    parity,
    'directory names flattened, non-UTF-8 files: a folder next to a file keeps both (UC 30: i18n)',
  ],
  ['UC 31: an admin panel at a port: not done', ports, 'UC 31: the admin panel of WEB_PORT=8000 is served inside only'],
  ['UC 32: debug logs', parity, 'UC 32: debug lines, a traceback, stdout and stderr are in the log'],
];

provenBy(proofs);

it('no use case is missing', () => {
  const numbers = new Set(proofs.map(([line]) => Number(/^UC (\d+)/.exec(line)?.[1])));
  expect(Array.from({ length: 32 }, (_, index) => index + 1).filter((number) => !numbers.has(number))).toEqual([]);
});
