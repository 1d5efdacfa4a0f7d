/** "move_token": the Telegram token leaves the source before it is stored, and is in the sealed environment. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { createClient } from '@connectrpc/connect';
import { pack } from 'tar-stream';
import { expect, it } from 'vitest';
import { defaultTarLimits, readContextTar } from '#common/safe-tar.ts';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import {
  accepted,
  as,
  connect,
  detailOf,
  eachWithOrchestrator,
  orchestrator,
  transport,
  untilFinal,
} from './played-workers.ts';

eachWithOrchestrator();

const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
const other = '987654321:BBabcdefghijklmnopqrstuvwxyz0123456';
const code = `TOKEN = "${token}"\n`;
const reading = 'import os\nTOKEN = os.environ["BOT_TOKEN"]\n';
const simple = (botId: string, source: object, extra: object = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  move_token: true,
  ...source,
  ...extra,
});
const refusal = async (data: object) => {
  const { status, body } = await orchestrator.post(data);
  expect(JSON.stringify(body)).not.toContain(token);
  return { status, code: body.error?.code, message: body.error?.message };
};

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'sub', type: 'directory' });
  tar.entry({ name: 'link', type: 'symlink', linkname: 'Dockerfile' });
  for (const [name, text] of Object.entries(files)) tar.entry({ name, mode: 0o755 }, text);
  tar.finalize();
  return buffer(tar);
}

async function filesOf({ spec }: Ensure): Promise<Readonly<Record<string, string>>> {
  const source = spec?.source;
  const from = source?.case === 'custom' ? source.value.from : undefined;
  const sha256 =
    source?.case === 'simple' ? source.value.artifactSha256 : from?.case === 'artifactSha256' ? from.value : '';
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of as('w1').fetchArtifact({ sha256, offset: 0n })) chunks.push(chunk);
  const files: Record<string, string> = {};
  const tar = Readable.from(chunks, { objectMode: false });
  for await (const entry of readContextTar(tar, defaultTarLimits, () => {})) {
    if (entry.kind === 'link') files[entry.name] = `-> ${entry.target}`;
    if (entry.kind === 'file') files[entry.name] = (await buffer(entry.content)).toString();
  }
  return files;
}

const isInStore = (text: string): boolean =>
  (readdirSync(orchestrator.dir, { recursive: true }) as string[]).some((name) => {
    const path = join(orchestrator.dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });

it('of code: it reads the variable, the job says what was changed, and the token counts for one bot', async () => {
  const worker = await connect('w1');
  const jobId = await accepted(simple('bot', { files: { 'bot.py': code, 'notes.md': token }, entrypoint: 'bot.py' }));
  const ensure = await worker.take('ensure');
  expect(await filesOf(ensure)).toEqual({ 'bot.py': reading, 'notes.md': token });
  expect(ensure.spec?.env).toEqual({ BOT_TOKEN: token });
  worker.succeed(ensure);
  const job = await untilFinal(jobId);
  expect(job.data.result).toMatchObject({
    moved: [
      'bot.py:1: the token is now os.environ["BOT_TOKEN"]',
      'bot.py:1: import os was added',
      'BOT_TOKEN is in the sealed environment of the bot now',
    ],
    warnings: [expect.stringMatching(/^there is a Telegram token in notes\.md:1: /)],
  });
  expect(JSON.stringify(job)).not.toContain(token);
  expect(isInStore(token)).toBe(false);
  expect((await refusal(simple('second', { code }))).code).toBe('TOKEN_IN_USE');
  expect((await refusal({ ...simple('second', { code }), move_token: false })).code).toBe('TOKEN_IN_USE');
});

it('of an archive and an upload, compressed or not, in which a .env file names the variable', async () => {
  const worker = await connect('w1');
  const files = { Dockerfile: 'FROM scratch\n', '.env': `A=1\nMY_TOKEN=${token}\n`, 'bot.mjs': `use('${token}');\n` };
  const expected = {
    link: '-> Dockerfile',
    Dockerfile: 'FROM scratch\n',
    '.env': 'A=1\n',
    'bot.mjs': 'use(process.env.MY_TOKEN);\n',
  };
  const tar = await tarOf(files);
  for (const bytes of [tar, gzipSync(tar)]) {
    await accepted(
      simple('bot', { deployment_mode: 'custom', archive: bytes.toString('base64') }, { action: 'start' }),
    );
    const ensure = await worker.take('ensure');
    expect([await filesOf(ensure), ensure.spec?.env]).toEqual([expected, { MY_TOKEN: token }]);
    worker.succeed(ensure);
  }
  const artifacts = createClient(ArtifactService, transport(clientToken));
  const { sha256 } = await artifacts.uploadArtifact(
    (async function* () {
      yield { chunk: gzipSync(tar) };
    })(),
  );
  const spec = { source: { case: 'custom', value: { from: { case: 'artifactSha256', value: sha256 } } } } as const;
  const bots = createClient(BotService, transport(clientToken));
  await bots.updateBot({ botId: 'bot', moveToken: true, spec });
  const ensure = await worker.take('ensure');
  expect([await filesOf(ensure), ensure.spec?.env]).toEqual([expected, { MY_TOKEN: token }]);
  const others = createClient(BotService, transport('test-admin-token'));
  await expect(others.startBot({ botId: 'x', moveToken: true, spec })).rejects.toThrow();
  expect(
    await detailOf(
      bots.startBot({ botId: 'x', moveToken: true, spec: { source: { case: 'image', value: { image: 'a:1' } } } }),
    ),
  ).toMatchObject({
    message: 'The source does not come with the request, so its Telegram token cannot be moved.',
  });
});

it('is refused, with the places, where it is not certain, and changes nothing', async () => {
  const worker = await connect('w1');
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ code: `U = f"https://x/bot${token}/"` }, /in bot\.py:1 cannot be moved: it is only a part of a text/],
    [{ code: `${code}X = "${other}"` }, /more than one Telegram token in the source: bot\.py:1, bot\.py:2/],
    [{ files: { 'bot.py': 'x', 'c.json': `{"t": "${token}"}` }, entrypoint: 'bot.py' }, /in c\.json:1 cannot be moved/],
    [{ code, env_vars: { BOT_TOKEN: other } }, /the variable BOT_TOKEN of the bot has another value already/],
    [{ deployment_mode: 'custom', git_repo: 'https://example.com/a.git' }, /does not come with the request/],
  ];
  for (const [source, message] of cases) {
    expect(await refusal(simple('bot', source))).toEqual({
      status: 400,
      code: 'TOKEN_NOT_MOVED',
      message: expect.stringMatching(message),
    });
  }
  expect((await refusal(simple('bot', { code }, { move_token: 'yes' }))).code).toBe('MALFORMED_REQUEST');
  // What the bot has already counts as well; without a token there is nothing to do.
  const jobId = await accepted(simple('bot', { code: 'print(1)', env_vars: { BOT_TOKEN: other } }));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  expect((await untilFinal(jobId)).data.result.moved).toEqual([expect.stringContaining('nothing was moved')]);
  expect((await refusal(simple('bot', { code }, { action: 'update' }))).message).toMatch(/has another value already/);
  await accepted(simple('bot', { code, env_vars: { BOT_TOKEN: token } }, { action: 'update' }));
  expect((await worker.take('ensure')).spec?.env).toEqual({ BOT_TOKEN: token });
});

it('takes of a .env file what an environment may have, and says of many places how many there are', async () => {
  const worker = await connect('w1');
  const env = (names: readonly string[]) => names.map((name) => `${name}=${token}\n`).join('');
  const many = Array.from({ length: 201 }, (_, n) => `T${n}`);
  for (const names of [many, ['BOTRUNNER_TOKEN'], ['T'.repeat(129)]]) {
    const files = { 'bot.py': 'x', '.env': env(names) };
    expect(await refusal(simple('bot', { files, entrypoint: 'bot.py' }))).toMatchObject({ code: 'INVALID_ENV_VARS' });
  }
  const jobId = await accepted(simple('bot', { code: code.repeat(1_000) }));
  worker.succeed(await worker.take('ensure'));
  const { moved } = (await untilFinal(jobId)).data.result;
  expect(moved).toHaveLength(13);
  expect(moved.slice(-2)).toEqual(['... and 990 more', expect.stringMatching(/^BOT_TOKEN is in the sealed/)]);
});
