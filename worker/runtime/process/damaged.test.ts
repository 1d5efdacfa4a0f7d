/** Files of the process runtime that a failing disk has changed: they cost their own bot something, and no other. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { botPlan, buildBot, patience } from '../../../test/contract/harness.ts';
import { processRuntimeIn } from '../../../test/kit/process-runtime.ts';
import type { ContainerRuntime } from '../container-runtime.ts';

const key = (botId: string) => ({ userId: 'dev', botId });
let dir: string;
let runtime: ContainerRuntime;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'damaged-'));
  runtime = processRuntimeIn(dir);
});
afterEach(async () => {
  for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  rmSync(dir, { recursive: true, force: true });
});

async function started(botId: string): Promise<{ id: string; folder: string }> {
  await buildBot(runtime, 'node', { key: key(botId), workerId: 'w1' });
  const plan = botPlan({ key: key(botId), workerId: 'w1', language: 'node', steps: [] });
  const id = await runtime.create(plan, patience());
  await runtime.start(id, patience());
  return { id, folder: join(dir, 'containers', plan.name) };
}

it('a bot whose last run is damaged is still seen to run, and is not started twice', async () => {
  const { id, folder } = await started('hurt');
  const runs = readdirSync(folder).filter((name) => name.startsWith('process.'));
  for (const text of ['', '{', '[1]', '7']) {
    writeFileSync(join(folder, 'run.json'), text);
    expect(await runtime.inspect(id, patience())).toMatchObject({ status: 'running' });
    await runtime.start(id, patience());
  }
  expect(readdirSync(folder).filter((name) => name.startsWith('process.'))).toEqual(runs);
}, 30_000);

it('a container whose description is damaged hides no other one', async () => {
  const sound = await started('sound');
  const hurt = await started('hurt');
  await runtime.stop(hurt.id, 100, patience());
  for (const text of ['', '{', '[]', '{"labels":7}', 'null']) {
    writeFileSync(join(hurt.folder, 'container.json'), text);
    expect((await runtime.list(patience())).map(({ id }) => id)).toEqual([sound.id]);
  }
}, 30_000);

it('an image whose record is damaged is not there', async () => {
  await buildBot(runtime, 'node', { key: key('hurt'), workerId: 'w1' });
  const [name = ''] = readdirSync(join(dir, 'images'));
  writeFileSync(join(dir, 'images', name), '{');
  expect(await runtime.hasImage(name.replace('@', ':').replace('.json', ''), patience())).toBe(false);
});
