/**
 * The rooms of each program and the floor that each is on, from the top down. A room imports from the floors below its own and from
 * itself: never from above, and never from another room on its floor. A room is a folder right below the program's; '.' are the files
 * beside those folders.
 */
export const floors: Readonly<Record<string, readonly (readonly string[])[]>> = {
  common: [['checks'], ['ignore', 'requirements', 'source-search', 'start', 'waiting'], ['.']],
  orchestrator: [
    ['.'],
    ['server'],
    ['events'],
    ['fleet'],
    ['logs', 'requests'],
    ['engine'],
    ['store', 'views', 'safety'],
    ['core'],
  ],
  worker: [
    ['.'],
    ['session'],
    ['bots'],
    ['engine', 'fetch', 'logs', 'safety'],
    ['runtime'],
    ['images'],
    ['diagnosis', 'state'],
    ['failures'],
  ],
  cli: [
    ['.'],
    ['commands'],
    ['progress'],
    ['render'],
    ['source'],
    ['calls'],
    ['wire'],
    ['options'],
    ['argv', 'text'],
    ['failures'],
  ],
};

/**
 * Pure files: what they answer depends on what they are given and on nothing else. No I/O, clock, timer, randomness, node:crypto or
 * global of the process, and values only from other pure files. Tests beside them may do anything.
 */
export const pureFiles: readonly string[] = [
  'orchestrator/core/**',
  // What works decide, and what they decide on. They may hash and seal besides: see below.
  'orchestrator/engine/*.ts',
  'orchestrator/store/{batch,decide,rehearsal,tables,want}.ts',
  'orchestrator/store/workspace/**',
  'orchestrator/views/*.ts',
  'orchestrator/safety/{starts-refused,worker-safety}.ts',
  'common/checks/check.ts',
  'worker/bots/converge.ts',
  'worker/bots/restart-policy.ts',
  'worker/diagnosis/causes.ts',
  'worker/diagnosis/diagnosis.ts',
  'worker/diagnosis/own-modules.ts',
  'worker/diagnosis/*-packages.ts',
  'worker/diagnosis/rules/**',
  'worker/failures/system-failures.ts',
  'worker/images/dockerfile.ts',
  'worker/images/users-dockerfile/**',
  'worker/runtime/docker/output-frames.ts',
  'worker/runtime/docker/output-joiner.ts',
  'worker/runtime/output-lines.ts',
  'common/*.ts',
  'common/{ignore,requirements,source-search,start}/**',
  'common/waiting/backoff.ts',
];

/** Pure, though it takes createHash from node:crypto: a hash is a function of its text. */
export const hashes = 'common/ids.ts';

/** Pure, though they take hashes from node:crypto by name. */
export const hashing: readonly string[] = ['orchestrator/engine/token-ownership.ts'];

/**
 * Decisions seal specs. What is sealed has a nonce of its own each time; it opens to the same, and nothing is decided by its bytes. That
 * nothing else differs when a work is run again, the rehearsal of the tests holds.
 */
export const sealing = {
  files: 'orchestrator/engine/*.ts',
  takes: ['common/seal.ts', 'orchestrator/store/seal.ts'] as readonly string[],
};

/** Files that the patterns above would make pure and that are not, and why. */
export const impureFiles: Readonly<Record<string, string>> = {
  'common/age-clock.ts': 'asks a clock that it is given',
  'common/background.ts': 'timers',
  'common/boot-id.ts': 'reads /proc',
  'common/clock.ts': 'the clock',
  'common/collect-garbage.ts': 'V8',
  'common/disk-fault.ts': 'logs',
  'common/end-program.ts': 'the process',
  'common/env-config.ts': "the user's home folder",
  'common/gunzip.ts': 'streams',
  'common/idle-memory.ts': 'V8 and a clock that it is given',
  'common/log.ts': 'the log',
  'common/run-program.ts': 'the process',
  'common/safe-tar.ts': 'streams',
  'common/seal.ts': 'random nonces',
  'common/ulids.ts': 'randomness',
  'common/version.ts': 'reads package.json',
  'orchestrator/engine/due-timer.ts': 'timers',
  'orchestrator/engine/engine.ts': 'runs what the others decide: timers, effects, logs',
  'orchestrator/engine/ids.ts': 'randomness and a clock',
  'orchestrator/engine/source-pruning.ts': 'timers',
  'orchestrator/engine/source-sealing.ts': 'turns of the event loop',
  'orchestrator/engine/stored-times.ts': 'asks a clock that it is given',
};
