/** Sources are sealed where they are stored, as environments are: a unique text of one is in no file, and in no answer. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createClient } from '@connectrpc/connect';
import { pack } from 'tar-stream';
import { beforeEach, expect, it } from 'vitest';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { editStore } from '../../orchestrator/store/testing/edit-store.ts';
import { eventually } from '../kit/eventually.ts';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import { accepted, as, connect, eachWithOrchestrator, orchestrator, transport, untilFinal } from './played-workers.ts';

eachWithOrchestrator();

let canary: string;
beforeEach(() => {
  canary = `canary${randomBytes(12).toString('hex')}`;
});

/** The files of the state folder that hold the text. */
const filesWith = (text: string): readonly string[] =>
  (readdirSync(orchestrator.dir, { recursive: true }) as string[]).filter((name) => {
    const path = join(orchestrator.dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of Object.entries(files)) tar.entry({ name, mtime: new Date(0) }, text);
  tar.finalize();
  return buffer(tar);
}

async function upload(bytes: Uint8Array, chunkBytes = 10_000): Promise<string> {
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield { chunk: bytes.subarray(at, at + chunkBytes) };
  })();
  return (await createClient(ArtifactService, transport(clientToken)).uploadArtifact(pieces)).sha256;
}

const start = (botId: string, source: object): Promise<string> =>
  accepted({ action: 'start', bot_id: botId, deployment_mode: 'simple', ...source });

async function sourceOf({ spec }: Ensure): Promise<Buffer> {
  const source = spec?.source;
  const sha256 =
    source?.case === 'simple'
      ? source.value.artifactSha256
      : source?.case === 'custom' && source.value.from.case === 'artifactSha256'
        ? source.value.from.value
        : '';
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of as('w1').fetchArtifact({ sha256, offset: 0n })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it('whichever way they come: nothing of them is in a file in cleartext, and a worker gets them whole', async () => {
  const line = `X = "${canary}"\n`;
  // A source that takes several chunks, and one whose upload is never finished.
  const large = await tarOf({ 'bot.py': line.repeat(20_000), Dockerfile: 'FROM scratch\n' });
  const worker = await connect('w1');
  expect(await upload(large)).toMatch(/^[0-9a-f]{64}$/);
  await expect(upload(large.subarray(0, 600_000))).rejects.toThrow();
  await start('code', { code: line, env_vars: { OTHER: canary } });
  await start('files', { files: { 'bot.py': line, [`${canary}.py`]: '' }, entrypoint: 'bot.py' });
  const archive = (await tarOf({ Dockerfile: `FROM scratch\n# ${canary}\n` })).toString('base64');
  await start('archive', { deployment_mode: 'custom', archive });
  for (let n = 0; n < 3; n += 1) expect((await sourceOf(await worker.take('ensure'))).includes(canary)).toBe(true);
  expect(filesWith(canary)).toEqual([]);
  await orchestrator.restart();
  expect(filesWith(canary)).toEqual([]);
});

it('of a release that did not seal them are sealed at the next start, and nothing is lost', async () => {
  const line = `X = "${canary}"\n`;
  const worker = await connect('w1');
  await start('bot', { code: line.repeat(30_000) });
  const ensure = await worker.take('ensure');
  const whole = await sourceOf(ensure);
  await orchestrator.restart(() => {
    editStore(orchestrator.dir, (db) => {
      const { upload_id: uploadId } = db.prepare('SELECT upload_id FROM artifacts').get() ?? {};
      db.exec('DELETE FROM artifact_chunks');
      const add = db.prepare('INSERT INTO artifact_chunks (upload_id, n, bytes) VALUES (?, ?, ?)');
      for (let n = 0; n * 262_144 < whole.length; n += 1) {
        add.run(String(uploadId), n, whole.subarray(n * 262_144, (n + 1) * 262_144));
      }
    });
    expect(filesWith(canary)).toEqual(['orchestrator/store.sqlite']);
  });
  await eventually(
    'the source is sealed',
    async () => filesWith(canary),
    (names) => names.length === 0,
  );
  expect(await sourceOf(ensure)).toEqual(whole);
  await orchestrator.restart();
  expect(filesWith(canary)).toEqual([]);
});

it('that hold a secret are reported with the job, by place and kind', async () => {
  const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
  const key = `gh${'p_'}q7Zp2LmX9vTk4RwB8nYc3HdF6sJg1QaE5uKo`;
  const worker = await connect('w1');
  const jobId = await start('bot', {
    files: { 'bot.py': `import x\nTOKEN = "${token}"\n`, 'x.py': `KEY = "${key}"\n` },
    entrypoint: 'bot.py',
  });
  worker.succeed(await worker.take('ensure'));
  const job = await untilFinal(jobId);
  expect(job.data.result.warnings).toEqual([
    expect.stringMatching(/^there is a Telegram token in bot\.py:2: .*--move-token/),
    expect.stringMatching(/^there is a GitHub token in x\.py:1: /),
  ]);
  expect(JSON.stringify(job)).not.toContain(token.slice(10, 20));
  expect(JSON.stringify(job)).not.toContain(key.slice(4, 12));
});
