/**
 * The order of test files. On a machine that has run none yet, vitest begins with the largest files; of some, size says nothing of
 * how long they take, and the longest of them would run alone at the end.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** In their order. */
const longest = ['test/storm/storm.test.ts', 'test/orchestrator/simulation.test.ts', 'test/clients/rust.test.ts'];

const placeOf = ({ moduleId }: TestSpecification): number => {
  const place = longest.findIndex((file) => moduleId.endsWith(`/${file}`));
  return place === -1 ? longest.length : place;
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
