import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeBotTar } from '../../../test/worker/kit/registry-for-tests.ts';
import { plainTar } from '../../state/source-tar.ts';
import { buildFolder, createBuilds } from './builds.ts';

it('a sweep for one bot leaves alone what is being built for another', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'builds-'));
  const path = join(dir, 'bot.tar');
  await writeFile(path, await makeBotTar());
  const builds = createBuilds(dir, {});
  const { signal } = new AbortController();
  const over = new AbortController();
  const sweeping = (async () => {
    while (!over.signal.aborted) await builds.sweep(new Set());
  })();
  try {
    for (let n = 0; n < 50; n += 1) {
      const image = `bot_image_abc:g${n}`;
      const key = { userId: 'dev', botId: 'bot' };
      await builds.build(
        {
          key,
          workerId: 'w',
          image,
          language: 'node',
          requirements: [],
          requirementFiles: [],
          sourceTar: plainTar(path),
          onOutput: () => undefined,
        },
        signal,
      );
      const made = await builds.read(image);
      expect({ n, there: existsSync(join(buildFolder(dir, made?.build ?? ''), 'app', 'bot.py')) }).toEqual({
        n,
        there: true,
      });
    }
  } finally {
    over.abort();
    await sweeping;
    await rm(dir, { recursive: true });
  }
});
