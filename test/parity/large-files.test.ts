/** The original's use case 13 on a real engine: a bot with a model, which is a large file and needs more memory than usual. */
import { createHash, randomFillSync } from 'node:crypto';
import { createWriteStream, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 240_000;
const mib = 1024 * 1024;
/** Size of incompressible numbers, as weights are. */
const modelMib = 96;

/** Holds the model three times: 288 MiB, which is more than a bot gets unless it asks. */
const bot = `import hashlib, os, pickle, time
with open(os.environ["MODEL_PATH"], "rb") as file:
    model = pickle.load(file)
print("model", len(model), hashlib.sha256(model).hexdigest(), flush=True)
copies = [bytearray(model) for _ in range(2)]
print("holds", sum(map(len, copies)) + len(model), flush=True)
time.sleep(600)
`;

/** A pickle of bytes, of protocol 4: https://docs.python.org/3/library/pickletools.html. Returns the hash of the bytes. */
async function writeModel(path: string): Promise<string> {
  const hash = createHash('sha256');
  const out = createWriteStream(path);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(modelMib * mib));
  out.write(Buffer.concat([Buffer.from([0x80, 0x04, 0x8e]), size]));
  for (let n = 0; n < modelMib; n++) {
    const part = randomFillSync(Buffer.alloc(mib));
    hash.update(part);
    out.write(part);
  }
  out.end('.');
  await finished(out);
  return hash.digest('hex');
}

describe.skipIf('skip' in docker)('large files on Docker', { timeout: longMs }, () => {
  let seed: SeedPlatform;
  let hash = '';
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
    for (const folder of ['ml_bot/models', 'simple_bot', 'huge_bot']) {
      mkdirSync(join(seed.dir, folder), { recursive: true });
    }
    writeFileSync(join(seed.dir, 'ml_bot/bot.py'), bot);
    writeFileSync(
      join(seed.dir, 'ml_bot/Dockerfile'),
      'FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "bot.py"]\n',
    );
    hash = await writeModel(join(seed.dir, 'ml_bot/models/classifier.pkl'));
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(() => seed?.close(), longMs);

  const start = (mode: string, folder: string, more = '') =>
    seed.run(`avtomatika-bot start ml-bot --${mode} /tmp/${folder}/ -e MODEL_PATH=/app/models/classifier.pkl ${more}`);
  const loaded = () => `model ${modelMib * mib} ${hash}`;

  it('UC 13: a model of 96 MiB arrives byte by byte in a bot of a Dockerfile, which holds it with --memory 512m', async () => {
    expect(await start('custom', 'ml_bot', '--memory 512m')).toMatchObject({ code: 0 });
    const log = await seed.untilLogged('ml-bot', `holds ${3 * modelMib * mib}`);
    expect(log).toContain(loaded());
    expect(await seed.platform.status('ml-bot')).toMatchObject({ status: 'running', restarts: 0 });
  });

  it('UC 13: the same in simple mode, where 256 MB, which a bot gets unless it asks, are too few: the start says so', async () => {
    const end = await start('simple', 'ml_bot', '--entrypoint bot.py');
    expect(end).toMatchObject({ code: 3, stdout: expect.stringContaining('--memory 512m') });
    expect(await seed.untilLogged('ml-bot', 'model ')).toContain(loaded());
    expect(await seed.platform.status('ml-bot')).toMatchObject({ status: 'crash_loop', oom_killed: true });
  });

  it('UC 13: a folder of more than 200 MB is refused, with what to do instead, and nothing is started', async () => {
    writeFileSync(join(seed.dir, 'huge_bot/bot.py'), 'print(1)\n');
    const model = join(seed.dir, 'huge_bot/model.bin');
    writeFileSync(model, '');
    truncateSync(model, 201_000_000);
    const end = await start('simple', 'huge_bot', '--entrypoint bot.py');
    expect(end).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('at most 200 MB are allowed') });
    expect(end.stderr).toContain('The largest is model.bin');
    expect(end.stderr).toContain('download it to /data');
    expect((await seed.run('avtomatika-bot list')).stdout).toContain('0/3');
  });
});
