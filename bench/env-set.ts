/**
 * One variable changed by `env set`, beside the `update` that does the same with the source, in turns:
 *
 *     node bench/env-set.ts [ROUNDS]
 *
 * Each figure is the time from Enter (the command line is spawned) to the engine's event that the new container has started, for a bot of simple
 * mode and for one with a Dockerfile, whose layers are all cached: the least that an update can take. On a private Docker engine, as in
 * the tests; everything on one machine, so take the ratios, not the numbers.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { containerName } from '../common/ids.ts';
import { loadBaseImages } from '../test/kit/base-images/base-images.ts';
import { eventually } from '../test/kit/eventually.ts';
import { startTestPlatform } from '../test/kit/platform-for-tests.ts';
import { startPrivateEngine } from '../test/kit/private-engine/private-engine.ts';
import { watchStarts } from './container-starts.ts';
import { median } from './quantile.ts';

const rounds = Number(process.argv[2] ?? 20);
const code = `import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True: signal.pause()
`;

const engine = await startPrivateEngine();
const dir = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  await loadBaseImages(engine.dockerHost, engine.packages);
  const file = join(dir, 'bot.py');
  writeFileSync(file, code);
  const folder = join(dir, 'custom');
  mkdirSync(folder);
  writeFileSync(join(folder, 'bot.py'), code);
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM python:3.11-slim\nCOPY bot.py /bot.py\nCMD ["python", "-u", "/bot.py"]\n',
  );
  await using platform = await startTestPlatform({
    RUNTIME: 'docker',
    DOCKER_HOST: engine.dockerHost,
    LOG_LEVEL: 'warn',
  });
  const watch = watchStarts(engine.socketPath);
  const run = async (words: readonly string[]) => {
    const end = await platform.cli(words);
    if (end.code !== 0) throw new Error(`${words.join(' ')}: ${end.stderr}`);
  };
  const timed = async (botId: string, words: readonly string[]): Promise<number> => {
    const name = containerName({ userId: 'dev', botId });
    const before = watch.starts.get(name)?.length ?? 0;
    const beganMs = Date.now();
    await run(words);
    const at = await eventually(
      `${botId} has started`,
      () => watch.starts.get(name)?.[before],
      (seen) => seen !== undefined,
    );
    return (at ?? Number.NaN) - beganMs;
  };
  const sources = { simple: ['--simple', file], custom: ['--custom', folder] } as const;
  const times = new Map<string, number[]>();
  for (const [botId, source] of Object.entries(sources)) await run(['start', botId, ...source, '-e', 'N=0']);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [botId, source] of Object.entries(sources)) {
      const results = [
        [`${botId}: env set`, await timed(botId, ['env', 'set', botId, `N=set-${round}`])],
        [`${botId}: update`, await timed(botId, ['update', botId, ...source, '-e', `N=update-${round}`])],
      ] as const;
      // The first round warms up.
      if (round > 0) for (const [what, tookMs] of results) times.set(what, [...(times.get(what) ?? []), tookMs]);
    }
  }
  for (const botId of Object.keys(sources)) await run(['delete', botId, '--purge', '--yes']);
  watch.close();

  const load = loadavg().map((one) => one.toFixed(1));
  console.log(`${rounds} rounds, Node ${process.version}, ${new Date().toISOString()}, load ${load.join(' ')}`);
  for (const [what, all] of times) {
    const [least = 0] = all.toSorted((a, b) => a - b);
    console.log(`${what.padEnd(20)} p50 ${median(all).toFixed(0)} ms, least ${least.toFixed(0)} ms`);
  }
  for (const botId of Object.keys(sources)) {
    const sets = times.get(`${botId}: env set`) ?? [];
    // Round by round: whatever else the machine does affects both.
    const ratios = (times.get(`${botId}: update`) ?? []).map((tookMs, index) => tookMs / (sets[index] ?? Number.NaN));
    console.log(`${botId}: an update takes ${median(ratios).toFixed(2)} times as long as env set`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
  await engine.stop();
}
