/** Commands at random, by a seed: the same seed always gives the same ones. */

/** A number from 0 up to but not including 1, each time (mulberry32, public domain). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const bots = ['ann/a', 'ann/a', 'ann/b', 'ann/c', 'bob/a'];
const workers = ['w1', 'w1', 'w2', 'w3'];
const tokens = ['', '', '', ' token=A', ' token=A', ' token=B', ' code-token=A'];
const waits = ['1s', '1s', '5s', '12s', '12s', '70s', '11m'];

type Choose = <T>(of: readonly T[]) => T;

/** Each with how often it comes. */
const kinds: readonly (readonly [number, (choose: Choose) => string])[] = [
  [14, (choose) => `start ${choose(bots)}${deployment(choose)}`],
  [6, (choose) => `update ${choose(bots)}${deployment(choose)}`],
  [5, (choose) => `configure ${choose(bots)}${configuration(choose)}`],
  [5, (choose) => `restart ${choose(bots)}`],
  [8, (choose) => `stop ${choose(bots)}`],
  [5, (choose) => `delete ${choose(bots)}${choose(['', ' purge'])}`],
  [2, (choose) => `cancel ${1 + choose([0, 1, 2, 3, 4, 5, 6, 7])}`],
  [1, (choose) => `status ${choose(bots)}`],
  [1, (choose) => `logs ${choose(bots)}`],
  [1, () => 'process ann text'],
  [1, () => 'takes r1'],
  [1, () => 'finishes r1'],
  [1, () => 'gives r1'],
  [7, (choose) => join(choose(workers))],
  [3, (choose) => `cut ${choose(workers)}`],
  [2, (choose) => `kill ${choose(workers)}`],
  [2, (choose) => `freeze ${choose(workers)}`],
  [2, (choose) => `thaw ${choose(workers)}`],
  [1, (choose) => `ready ${choose(workers)}${choose(['', ' not'])}`],
  [2, (choose) => `off ${choose(workers)}`],
  [2, (choose) => `on ${choose(workers)}`],
  [2, (choose) => `forget ${choose(workers)}`],
  [2, (choose) => `drain ${choose(workers)}`],
  [1, (choose) => `cordon ${choose(workers)}${choose(['', ' off'])}`],
  [14, (choose) => `hear ${choose(workers)}${choose(['', ' all'])}`],
  [18, (choose) => `work ${choose(workers)} ${choose(bots)} ${choose(['ok', 'ok', 'ok', 'fail', 'crash', 'exit'])}`],
  [14, (choose) => `tell ${choose(workers)}${choose(['', ' all'])}`],
  [10, (choose) => `runs ${choose(workers)} ${choose(['ok', 'ok', 'ok', 'ok', 'fail', 'crash'])}`],
  [3, (choose) => `repeat ${choose(workers)}`],
  [2, (choose) => `ends ${choose(workers)} ${choose(bots)}${choose(['', ' exit'])}`],
  [1, (choose) => `recovers ${choose(workers)} ${choose(bots)}`],
  [2, (choose) => `reconcile ${choose(workers)}`],
  [6, (choose) => `wait ${choose(waits)}`],
  [2, () => 'crash'],
];

const join = (worker: string): string => `join ${worker}${worker === 'w3' ? ' old' : ''}`;

const deployment = (choose: Choose): string =>
  `${choose(['', ' code=2', ' code=3'])}${choose(tokens)}${choose(['', '', '', ' memory=600'])}${choose(['', '', ' takeover'])}`;

const configuration = (choose: Choose): string =>
  `${choose(['', '', ' token=A', ' token=B'])}${choose(['', ' memory=300', ' memory=600'])}${choose(['', '', ' takeover'])}`;

const total = kinds.reduce((sum, [weight]) => sum + weight, 0);

const lengthMax = 40;

/** The commands of a seed, from one to some dozens. */
export function randomCommands(seed: number): readonly string[] {
  const random = createRandom(seed);
  const choose: Choose = (of) => of[Math.floor(random() * of.length)] ?? of[0] ?? raise();
  const one = (): string => {
    let left = random() * total;
    for (const [weight, make] of kinds) {
      left -= weight;
      if (left < 0) return make(choose);
    }
    return 'wait 1s';
  };
  const lines = [join(choose(workers)), ...Array.from({ length: 3 + Math.floor(random() * lengthMax) }, one)];
  // Now and then the orchestrator dies with what it wanted to send.
  return lines.map((line) => {
    const luck = random();
    if (luck < 0.03 && line !== 'crash') return `lost: ${line}`;
    return luck < 0.08 ? `unsent: ${line}` : line;
  });
}

function raise(): never {
  throw new Error('there is nothing to choose from');
}
