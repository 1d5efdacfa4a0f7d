/** What is wrong with the structure of a checkout: circles, arrows that break the table of floors, pure files and works that are not, names of two things. */
import { circlesOf, wrongArrows } from './graph.ts';
import { type House, readHouse } from './house.ts';
import { ambiguousNames } from './names.ts';
import { impurities } from './purity.ts';
import { impureWorks } from './works.ts';

export const structureFaults = (root: string): readonly string[] => faultsOf(readHouse(root));

/** A line for each; none when all is well. */
export const faultsOf = ({ files, imports }: House): readonly string[] => [
  ...circlesOf(imports).map((circle) => `a circle of imports: ${circle.join(', ')}`),
  ...wrongArrows(imports).map(({ from, line, to, why }) => `${from}:${line} imports ${to}: ${why}`),
  ...files.flatMap(impurities),
  ...files.flatMap(impureWorks),
  ...ambiguousNames(files),
];
