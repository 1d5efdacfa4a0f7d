/** The part of the contract suite about images. */
import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { imageName } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import type { SimpleBuild } from '../../worker/runtime/container-runtime.ts';
import { plainTar } from '../../worker/state/source-tar.ts';
import { eventually } from '../kit/eventually.ts';
import type { SuiteContext } from './container-runtime.ts';
import { botPlan, buildBot, patience, second, sourceTar, untilPrinted } from './harness.ts';

export function describeBuilds(suite: SuiteContext): void {
  const build = (choice: Omit<Parameters<typeof buildBot>[2], 'workerId'>) =>
    buildBot(suite.runtime, suite.harness.language, { ...choice, workerId: suite.workerId });

  describe('an image', () => {
    test('is there after it was built, and gone after it was removed', async () => {
      const key = suite.newKey();
      const image = imageName(key, 1n);
      expect(await suite.runtime.hasImage(image, patience())).toBe(false);
      const lines: string[] = [];
      await build({ key, onOutput: (line) => lines.push(line) });
      expect(await suite.runtime.hasImage(image, patience())).toBe(true);
      expect(lines.filter((line) => /[\r\n]/.test(line))).toEqual([]);
      await suite.runtime.removeImages(key, [], patience());
      expect(await suite.runtime.hasImage(image, patience())).toBe(false);
      await suite.runtime.removeImages(key, [], patience());
    });

    test('stays when it is to be kept, in use, or of another bot', async () => {
      const [key, other] = [suite.newKey(), suite.newKey()];
      const images: string[] = [];
      for (const revision of [1n, 2n, 3n])
        images.push(await build({ key, revision, files: { 'v.txt': `${revision}` } }));
      const foreign = await build({ key: other });
      const plan = botPlan({ key, workerId: suite.workerId, language: suite.harness.language });
      const used = await suite.runtime.create(plan, patience());
      await suite.runtime.removeImages(key, [imageName(key, 2n)], patience());
      const there = await Promise.all([...images, foreign].map((image) => suite.runtime.hasImage(image, patience())));
      expect(there).toEqual([true, true, false, true]);
      await suite.runtime.start(used, patience());
      await suite.runtime.remove(used, patience());
      await suite.runtime.removeImages(key, [], patience());
      await suite.runtime.removeImages(other, [], patience());
    });

    test('may be built again under its name', async () => {
      const key = suite.newKey();
      const before = await suite.harness.traces();
      await build({ key });
      const once = (await suite.harness.traces()).length - before.length;
      await build({ key, files: { 'more.txt': 'x' } });
      await build({ key, files: { 'more.txt': 'y' } });
      expect((await suite.harness.traces()).length - before.length).toBe(once);
      await suite.runtime.removeImages(key, [], patience());
      expect(await suite.harness.traces()).toEqual(before);
    });

    test("hostile 35: is not steered by files of the user's with the names of ours", async () => {
      const key = suite.newKey();
      const files = {
        Dockerfile: 'FROM scratch\nRUN false\n',
        '.dockerignore': '*\n',
        'requirements.txt': '--no-such-option\n',
        'requirements/requirements.txt': '--no-such-option\n',
        'package.json': '{"dependencies":{"a":"file:/nowhere"}}',
      };
      const image = await build({ key, files });
      const plan = botPlan({
        key,
        workerId: suite.workerId,
        language: suite.harness.language,
        steps: [['print', 'ran']],
      });
      const id = await suite.runtime.create({ ...plan, image }, patience());
      await suite.runtime.start(id, patience());
      await untilPrinted(suite.runtime, id, 'ran');
      await suite.runtime.remove(id, patience());
      await suite.runtime.removeImages(key, [], patience());
    });
  });

  describe('a version with other code and the same packages', () => {
    test('is made without a build, or said to need one; the one before it keeps its code', async () => {
      const { runtime, workerId } = suite;
      const { language } = suite.harness;
      const key = suite.newKey();
      await build({ key, files: { 'v.txt': 'one\n' } });
      const lines: string[] = [];
      const second = {
        key,
        workerId,
        revision: 2n,
        files: { 'v.txt': 'two\n' },
        onOutput: (line: string) => lines.push(line),
      };
      const reused = await buildBot(runtime, language, { ...second, reuse: true }).then(
        () => true,
        () => false,
      );
      expect(reused).toBe(suite.harness.reusesPackages);
      if (!reused) return runtime.removeImages(key, [], patience());
      expect(lines).toEqual([]);
      for (const [revision, text] of [
        [2n, 'two'],
        [1n, 'one'],
      ] as const) {
        const plan = botPlan({ key, workerId, language, revision, steps: [['file', 'v.txt']] });
        const id = await runtime.create(plan, patience());
        await runtime.start(id, patience());
        await untilPrinted(runtime, id, text);
        await runtime.remove(id, patience());
      }
      // As after a worker was killed: the one that starts it did not create it.
      const unknown = await runtime.create(
        botPlan({ key, workerId, language, steps: [['file', 'v.txt']] }),
        patience(),
      );
      const later = suite.harness.runtime({ workerId });
      await later.start(unknown, patience());
      await untilPrinted(later, unknown, 'one');
      await later.remove(unknown, patience());
      await runtime.removeImages(key, [imageName(key, 2n)], patience());
      expect(await runtime.hasImage(imageName(key, 1n), patience())).toBe(false);
      expect(await runtime.hasImage(imageName(key, 2n), patience())).toBe(true);
      await runtime.removeImages(key, [], patience());
    });

    test('needs a build when the packages are others, or none are there', async () => {
      const key = suite.newKey();
      const reuse = (revision: bigint, requirements: readonly string[]) =>
        buildBot(suite.runtime, suite.harness.language, {
          key,
          workerId: suite.workerId,
          revision,
          requirements,
          reuse: true,
        });
      const before = await suite.harness.traces();
      await expect(reuse(1n, [])).rejects.toThrow('needs a build');
      await build({ key });
      await expect(reuse(2n, ['left-pad'])).rejects.toThrow('needs a build');
      await suite.runtime.removeImages(key, [], patience());
      expect(await suite.harness.traces()).toEqual(before);
    });
  });

  describe('a build', () => {
    test('that fails says so with the end of its output, and leaves nothing', async () => {
      const before = await suite.harness.traces();
      const key = suite.newKey();
      const lines: string[] = [];
      const requirements = [suite.harness.absentRequirement];
      const error = await build({ key, requirements, onOutput: (line) => lines.push(line) }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(ProblemError);
      expect(error).toMatchObject({ problem: { code: 'BUILD_FAILED' } });
      if (!(error instanceof ProblemError)) return;
      const tail = String(error.problem.details['output_tail']);
      expect(tail).toContain(suite.harness.absentRequirement);
      expect(lines.some((line) => line.includes(suite.harness.absentRequirement))).toBe(true);
      expect(await suite.runtime.hasImage(imageName(key, 1n), patience())).toBe(false);
      expect(await suite.harness.traces()).toEqual(before);
    });

    test('shows its output while it lasts, ends soon when it is aborted, and leaves nothing', async ({ skip }) => {
      const { abortedBuildsRunOn } = suite.harness;
      if (abortedBuildsRunOn !== undefined) skip(abortedBuildsRunOn);
      const before = await suite.harness.traces();
      const key = suite.newKey();
      const lines: string[] = [];
      const abort = new AbortController();
      const requirements = [suite.harness.endlessRequirement];
      const building = build({ key, requirements, signal: abort.signal, onOutput: (line) => lines.push(line) });
      const outcome = building.catch((reason: unknown) => reason);
      await eventually(
        'the build waits, and has shown what it did before',
        () => ({ waits: suite.harness.endlessReached(), lines: lines.length }),
        (seen) => seen.waits && seen.lines > 0,
        { timeoutMs: 60 * second },
      );
      const begin = performance.now();
      abort.abort(new Error('the job was cancelled'));
      expect(await outcome).toMatchObject({ message: 'the job was cancelled' });
      expect(performance.now() - begin).toBeLessThan(15 * second);
      expect(await suite.runtime.hasImage(imageName(key, 1n), patience())).toBe(false);
      expect(await suite.harness.traces()).toEqual(before);
    });

    test('of a source that is not acceptable is refused with the reason, and leaves nothing', async () => {
      const before = await suite.harness.traces();
      const key = suite.newKey();
      const { language } = suite.harness;
      const tar = await sourceTar(language, { '../outside.py': '' });
      const base: SimpleBuild = {
        key,
        workerId: suite.workerId,
        image: imageName(key, 1n),
        language,
        requirements: [],
        requirementFiles: [],
        sourceTar: plainTar(tar.path),
        onOutput: () => {},
      };
      const codeOf = (change: Partial<SimpleBuild>) =>
        suite.runtime.buildImage({ ...base, ...change }, patience()).then(
          () => 'built',
          (error: unknown) => (error instanceof ProblemError ? error.problem.code : error),
        );
      expect(await codeOf({})).toBe('INVALID_ARCHIVE');
      await writeFile(tar.path, 'not a tar'.repeat(1000));
      expect(await codeOf({})).toBe('INVALID_ARCHIVE');
      await tar.remove();
      expect(await suite.runtime.hasImage(base.image, patience())).toBe(false);
      expect(await suite.harness.traces()).toEqual(before);
    });
  });
}
