/** The numbers of the list of hostile inputs that this release is held to, and the test of each. */
import { expect, it } from 'vitest';
import { type Proof, provenBy } from './proven-by.ts';

const requests = 'test/orchestrator/hostile.test.ts';
const fields = 'test/orchestrator/hostile-fields.test.ts';
const accepted = 'test/orchestrator/hostile-accepted.test.ts';
const archives = 'test/orchestrator/hostile-archives.test.ts';
const sources = 'test/orchestrator/hostile-sources.test.ts';
const fetching = 'worker/fetch/fetch-archive.test.ts';
const git = 'worker/fetch/fetch-git.test.ts';

const proofs: readonly Proof[] = [
  ['5', requests, '5: a body beyond all bounds is refused'],
  ['7', requests, '7: JSON that is read in more than one way is refused'],
  ['8', requests, '8: names that every object has are data'],
  ['9', requests, '9: a value of the wrong type gets the code of its field'],
  ['10', requests, '10: only the known actions are known'],
  ['11', requests, '11: who asks, and what is run where, is not the body’s to say'],
  ['18', fields, '18: a bot id is 1 to 64 of [a-zA-Z0-9_-]'],
  ['19', fields, '19, 20, 21: names that look alike or like something else are names'],
  ['20', fields, '19, 20, 21: names that look alike or like something else are names'],
  ['21', fields, '19, 20, 21: names that look alike or like something else are names'],
  ['22', accepted, '22: a start of a running bot with another spec is a new generation, never "already running"'],
  ['23', fields, '23 to 27: environment variables'],
  ['24', fields, '24: a value with a NUL'],
  ['25', fields, '25: a value of 128 KiB'],
  ['27', fields, '23 to 27: environment variables'],
  ['28', accepted, '28: values that look like commands are sent as they are'],
  ['29', accepted, '29: secrets are in no answer'],
  ['30', fields, '30, 31, 32: requirements'],
  ['31', fields, '30, 31, 32: requirements'],
  ['34', fields, '34 to 38: files and the entrypoint'],
  ['36', fields, '36: a file that is a folder too'],
  ['37', fields, '37: 100,000 files'],
  ['38', fields, '34 to 38: files and the entrypoint'],
  ['39', accepted, '39: simple mode knows no base image'],
  ['40', accepted, '40: code is stored byte for byte, whatever it looks like'],
  ['41', archives, '41: gzip of garbage'],
  ['42', archives, '42: a bomb'],
  ['43', archives, '43: a name that climbs'],
  ['44', archives, '44: a file behind a link'],
  ['51', sources, '51, 52: archive URLs'],
  ['52', sources, '51, 52: archive URLs'],
  ['53', 'common/fetch-policy.test.ts', 'is resolved once, so that a second answer changes nothing'],
  ['53', fetching, 'is refused before anything is sent when an address of its name is forbidden'],
  ['54', 'common/fetch-policy.test.ts', 'of ten megabytes'],
  ['54', fetching, '/loop'],
  ['54', fetching, '/inside'],
  ['55', fetching, '/endless'],
  ['55', fetching, '/packed'],
  ['55', fetching, '/stalls'],
  ['58', sources, '58 to 62: git'],
  ['59', git, 'an option as URL'],
  ['60', sources, '60: what stands in a URL is not repeated, and the hint tells where it belongs'],
  ['61', sources, '58 to 62: git'],
  ['62', sources, '58 to 62: git'],
  ['62', git, 'gives a branch, a tag, a commit by its id, and a folder, which then is judged like every archive'],
  ['66', git, 'needs the right credentials where it is private, and shows them nowhere'],
  ['68', sources, '68 to 74: images'],
  ['69', accepted, '69: an image without a tag is asked for by the tag latest'],
  ['70', sources, '68 to 74: images'],
  [
    '73',
    'test/e2e/sources.test.ts',
    'checklist: Private registry works - wrong password, none and a missing image are told apart',
  ],
  ['74', sources, '68 to 74: images'],
  ['78', fields, '78, 79: resource limits'],
  ['79', fields, '78, 79: resource limits'],
  ['97', fields, '97: log lines'],
  [
    '99',
    'cli/source/build-context.test.ts',
    'keeps relative links that stay inside, and leaves out and reports all others',
  ],
  [
    '99',
    'cli/source/collect.test.ts',
    'is a folder with its sub-folders, without hidden files, environments, caches and packages',
  ],
];

provenBy(proofs);

it('no number is missing', () => {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const held = [5, ...range(7, 11), ...range(18, 25), ...range(27, 31), 34, ...range(36, 44), ...range(51, 55)];
  held.push(...range(58, 62), 66, ...range(68, 70), 73, 74, 78, 79, 97, 99);
  // 26: the reserved prefix is refused; 35: such files are data. Both are in the lists of their neighbours.
  const missing = held.filter((number) => !proofs.some(([line]) => line === String(number)));
  expect(missing).toEqual([]);
});
