/** The part of the contract suite about images of other modes: with a Dockerfile of the user's, and ready ones. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { type BotKey, imageName } from '#common/ids.ts';
import type { ContainerRuntime, CustomBuild } from '../../worker/runtime/container-runtime.ts';
import { plainTar } from '../../worker/state/source-tar.ts';
import type { SuiteContext } from './container-runtime.ts';
import { botPlan, patience, readAll, textsOf, untilExited, untilPrinted } from './harness.ts';
import type { Step } from './steps.ts';

/** Runs the suite's Python bot in an image with a layout that is not ours. */
export const stepsDockerfile = `FROM python:3.11-slim
COPY steps.py /srv/steps.py
ENTRYPOINT ["python", "-u", "/srv/steps.py"]
`;

export interface ContextChoice {
  readonly key: BotKey;
  readonly workerId: string;
  readonly dockerfile?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly gzip?: boolean;
  readonly onOutput?: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly revision?: bigint;
  readonly options?: Pick<CustomBuild, 'buildArgs' | 'dockerfile' | 'target'>;
}

/** Builds an image with a Dockerfile for a key; returns its name. */
export async function buildContext(
  runtime: Pick<ContainerRuntime, 'buildCustomImage'>,
  choice: ContextChoice,
): Promise<string> {
  const { key, workerId, dockerfile = stepsDockerfile, files = {}, onOutput = () => {}, revision = 1n } = choice;
  const tar = pack();
  if (dockerfile !== '') tar.entry({ name: 'Dockerfile' }, dockerfile);
  tar.entry({ name: 'steps.py' }, await readFile(new URL('bots/steps.py', import.meta.url), 'utf8'));
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  const bytes = await buffer(tar);
  const dir = await mkdtemp(join(tmpdir(), 'contract-context-'));
  const image = imageName(key, revision);
  try {
    const path = join(dir, 'context.tar');
    await writeFile(path, choice.gzip ? gzipSync(bytes) : bytes);
    const build = { key, workerId, image, contextTar: plainTar(path), onOutput, ...choice.options };
    await runtime.buildCustomImage(build, choice.signal ?? patience());
  } finally {
    await rm(dir, { recursive: true });
  }
  return image;
}

export function describeImages(suite: SuiteContext): void {
  const build = (choice: Omit<ContextChoice, 'workerId'>) =>
    buildContext(suite.runtime, { ...choice, workerId: suite.workerId });
  const planOf = (key: BotKey, image: string) => ({
    ...botPlan({ key, workerId: suite.workerId, language: 'python', steps: [['print', 'ran']] }),
    image,
    run: { kind: 'image' } as const,
  });

  describe('images of other modes', () => {
    test('are refused by a runtime that has none', async () => {
      if (suite.harness.hasImages) return;
      const key = suite.newKey();
      const refusal = { problem: { code: 'INVALID_MODE', hint: expect.stringContaining('RUNTIME=docker') } };
      await expect(build({ key })).rejects.toMatchObject(refusal);
      const pull = { userId: 'images', reference: 'busybox:stable', pull: false, onOutput: () => {} };
      await expect(suite.runtime.pullImage(pull, patience())).rejects.toMatchObject(refusal);
    });

    test('are built from a tar or tar.gz with a Dockerfile, run what they say, and are removed', async () => {
      if (!suite.harness.hasImages) return;
      const before = await suite.harness.traces();
      for (const gzip of [false, true]) {
        const key = suite.newKey();
        const lines: string[] = [];
        const image = await build({ key, gzip, onOutput: (line) => lines.push(line) });
        expect(lines.length).toBeGreaterThan(0);
        expect(await suite.runtime.hasImage(image, patience())).toBe(true);
        const id = await suite.runtime.create(planOf(key, image), patience());
        await suite.runtime.start(id, patience());
        await untilPrinted(suite.runtime, id, 'ran');
        expect(await suite.runtime.inspect(id, patience())).toMatchObject({ key });
        await suite.runtime.remove(id, patience());
        await suite.runtime.removeImages(key, [], patience());
        expect(await suite.runtime.hasImage(image, patience())).toBe(false);
      }
      expect(await suite.harness.traces()).toEqual(before);
    });

    test('are not built from an archive that is not right', async () => {
      if (!suite.harness.hasImages) return;
      const before = await suite.harness.traces();
      const key = suite.newKey();
      const code = (code: string) => ({ problem: { code } });
      await expect(build({ key, dockerfile: '' })).rejects.toMatchObject(code('INVALID_ARCHIVE'));
      await expect(build({ key, files: { '../x': '' } })).rejects.toMatchObject(code('INVALID_ARCHIVE'));
      const foreign = `FROM ${imageName(suite.imageKey, 1n)}\n`;
      await expect(build({ key, dockerfile: foreign })).rejects.toMatchObject(code('BUILD_FAILED'));
      expect(await suite.harness.traces()).toEqual(before);
    });

    test('that are ready are used as they are, and pinned', async () => {
      if (!suite.harness.hasImages) return;
      const lines: string[] = [];
      const pull = {
        userId: 'images',
        reference: 'busybox:stable',
        pull: false,
        onOutput: (line: string) => lines.push(line),
      };
      const { pinned } = await suite.runtime.pullImage(pull, patience());
      expect(pinned).toMatch(/sha256:[0-9a-f]{64}$/);
      expect(await suite.runtime.pullImage(pull, patience())).toEqual({ pinned });
      expect(await suite.runtime.hasImage(pinned, patience())).toBe(true);
      const key = suite.newKey();
      const id = await suite.runtime.create(planOf(key, pinned), patience());
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({ key, status: 'created' });
      await suite.runtime.remove(id, patience());
      await suite.runtime.removeImages(key, [], patience());
      expect(await suite.runtime.hasImage(pinned, patience())).toBe(true);
    });
  });

  describe('the data of a bot', () => {
    test('is kept where BOTRUNNER_DATA_DIR says, over its containers, until it is removed', async () => {
      const key = suite.newKey();
      const look: Step[] = [
        ['kept', 'state.db'],
        ['exit', 0],
      ];
      const seenBy = async (steps: readonly Step[]) => {
        const id = await suite.run({ key, steps });
        await untilExited(suite.runtime, id);
        const { lines } = await readAll(suite.runtime, id);
        await suite.runtime.remove(id, patience());
        return textsOf(lines);
      };
      expect(await seenBy([['keep', 'state.db'], ...look])).toEqual(['state.db yes']);
      expect(await seenBy(look)).toEqual(['state.db yes']);
      await suite.runtime.removeVolumes(key, patience());
      expect(await seenBy(look)).toEqual(['state.db no']);
    });

    test('is not removed while a container has it', async () => {
      const key = suite.newKey();
      await suite.run({ key });
      await expect(suite.runtime.removeVolumes(key, patience())).rejects.toMatchObject({
        problem: { code: 'CONTAINER_ERROR' },
      });
    });

    test('is removed, again without effect', async () => {
      const key = suite.newKey();
      const id = await suite.run({ key });
      await suite.runtime.remove(id, patience());
      await suite.runtime.removeVolumes(key, patience());
      await suite.runtime.removeVolumes(key, patience());
    });
  });
}
