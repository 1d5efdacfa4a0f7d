/**
 * The order of test files. On a machine that has run none yet, vitest begins with the largest files; of some, size says nothing of
 * how long they take, and the longest of them would run alone at the end.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** In the order in which they are begun: all that take over a minute, and what computes beside what waits. */
export const longest: readonly string[] = [
  'test/storm/storm.test.ts',
  'test/orchestrator/simulation.test.ts',
  'test/e2e/compose.test.ts',
  'test/clients/rust.test.ts',
  'test/e2e/seed/real-tokens.test.ts',
  'test/contract/docker.test.ts',
  'test/readme/readme.test.ts',
  'test/e2e/seed/scenarios.test.ts',
  'test/e2e/telegram.test.ts',
  'test/readme/first-bot-page.test.ts',
  'test/readme/russian-guide.test.ts',
  'test/parity/services.test.ts',
  'test/e2e/bots.test.ts',
  'test/parity/docker.test.ts',
  'test/e2e/docker.test.ts',
];

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
