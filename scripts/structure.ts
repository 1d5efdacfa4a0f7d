/**
 * The structure of a checkout at a glance: npm run structure [-- PATH]
 * Rooms and arrows between them, arrows up, circles, names of several things, and who writes a bot's state. PATH is another checkout, for example one made with
 * `git worktree add PATH COMMIT`.
 */
import { resolve } from 'node:path';
import { checkout } from './process/checkout.ts';
import { arrowCount, circlesOf, roomArrows, roomCircles, wrongArrows } from './structure/graph.ts';
import { programs, readHouse } from './structure/house.ts';
import { ambiguousNames } from './structure/names.ts';
import { impurities } from './structure/purity.ts';
import { writersOfBots } from './structure/writers.ts';

const root = resolve(process.argv[2] ?? checkout);
const house = readHouse(root);

console.log(`${house.files.length} files of the programs in ${root}, tests left out\n`);
for (const program of programs) {
  const own = house.imports.filter(({ from }) => from.startsWith(`${program}/`));
  const rooms = new Set(roomArrows(own, program).flat());
  const circles = roomCircles(own, program);
  const among = circles.length === 0 ? 'none' : circles.map((circle) => circle.join(' + ')).join('; ');
  console.log(
    `${program}: ${rooms.size} rooms, ${arrowCount(own, program)} arrows; rooms that need one another: ${among}`,
  );
}
show(
  'circles of files',
  circlesOf(house.imports).map((circle) => circle.join(', ')),
);
const wrong = wrongArrows(house.imports).map(({ from, line, to, why }) => `${from}:${line} -> ${to} (${why})`);
show('arrows that break the table of floors (scripts/walls/rooms.ts)', wrong);
show('impurities of pure files', house.files.flatMap(impurities));
show('exported names that mean several things', ambiguousNames(house.files));
const writers = [...new Set(house.files.flatMap(writersOfBots))];
const files = new Set(writers.map((place) => place.replace(/:\d+$/, '')));
show(`writers of a bot's state, in ${files.size} files`, writers);

function show(title: string, lines: readonly string[]): void {
  console.log(`\n${title}: ${lines.length}`);
  for (const line of lines) console.log(`  ${line}`);
}
