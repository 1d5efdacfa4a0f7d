/**
 * Logs: how late a line is shown, how fast a flood is followed beside `docker logs -f` of the same container, and what it leaves
 * in memory:
 *
 *     node bench/logs.ts [--lines 200000] [--bytes 100] [--pings 400] [--settle 60] [--bots 100] [--bot-lines 5000]
 *                        [--runtime docker|process] [--only latency,alone,followed,slow,neighbours] [--profile FOLDER]
 *
 * latency: a bot prints a line each 50 ms that says when. alone, followed, slow: a flood that nobody reads, that the CLI and docker follow,
 * that a CLI follows whose reader takes 20 KB each 100 ms; then latency again, with a full log. neighbours: so many bots flood at once,
 * and a quiet one prints its line each 50 ms. Memory before, at most, and some time after. On a private Docker engine, as in the
 * tests, whose files are read at the same time, to distinguish lines that it rotated away before they could be read from lines that we
 * lost; everything on one machine, so take the ratios, not the numbers.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadBaseImages } from '../test/kit/base-images/base-images.ts';
import { startTestPlatform } from '../test/kit/platform-for-tests.ts';
import { startPrivateEngine } from '../test/kit/private-engine/private-engine.ts';
import { botCode, startBot } from './logs/bot.ts';
import { EngineFiles } from './logs/engine-files.ts';
import { attached, type Follower, followByCli, followByDocker, followByGrpc } from './logs/followers.ts';
import { neighbours } from './logs/neighbours.ts';
import { flood, latency, type Stage } from './logs/phases.ts';
import { untilStored } from './logs/until-stored.ts';

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '200000' },
    bytes: { type: 'string', default: '100' },
    pings: { type: 'string', default: '400' },
    settle: { type: 'string', default: '60' },
    bots: { type: 'string', default: '100' },
    'bot-lines': { type: 'string', default: '5000' },
    runtime: { type: 'string', default: 'docker' },
    only: { type: 'string', default: 'latency,alone,followed,slow,neighbours' },
    profile: { type: 'string' },
  },
});
// Some seconds after its start V8 collects a program's garbage once, which takes up to 200 ms on a busy machine.
const startUpMs = 30_000;
const printing = { lines: Number(values.lines), bytes: Number(values.bytes), pings: Number(values.pings) };
const parts = new Set(values.only.split(','));
const isDocker = values.runtime === 'docker';

const engine = isDocker ? await startPrivateEngine() : undefined;
const files = mkdtempSync(join(tmpdir(), 'bench-'));
const followers: Follower[] = [];
try {
  if (engine) await loadBaseImages(engine.dockerHost, engine.packages);
  await using platform = await startTestPlatform({
    RUNTIME: values.runtime,
    ...(engine && { DOCKER_HOST: engine.dockerHost }),
    LOG_LEVEL: 'warn',
    MAX_BOTS_PER_USER: '1000',
    WORKER_MAX_BOTS: '1000',
    ...(values.profile !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${values.profile}` }),
  });
  console.log(
    `Node ${process.version}, RUNTIME=${values.runtime}, load ${loadavg()[0]?.toFixed(0)}, ${new Date().toISOString()}`,
  );
  const file = join(files, 'bot.py');
  writeFileSync(file, botCode(printing));
  const signal = await startBot(platform, 'bench', file);
  const containerOf = async (bot: string) => String((await platform.status(bot)).container_id);
  const dockerPath = engine?.packages.find('/usr/bin/docker') ?? 'docker';
  const docker = async (bot: string) =>
    engine === undefined ? [] : [followByDocker(dockerPath, engine.dockerHost, await containerOf(bot), printing)];
  const logFiles = async (bot: string) => {
    if (engine === undefined) return undefined;
    const args = ['-H', engine.dockerHost, 'inspect', '-f', '{{.LogPath}}', await containerOf(bot)];
    return new EngineFiles(execFileSync(dockerPath, args, { encoding: 'utf8' }).trim());
  };
  const settleMs = Number(values.settle) * 1000;
  const stage: Stage = { platform, printing, signal, settleMs, files: await logFiles('bench') };
  const end = async () => {
    for (const follower of followers.splice(0)) await follower.kill();
  };
  const begin = async (...added: readonly Follower[]) => {
    followers.push(...added);
    await attached(added);
  };
  const quiet = async (title: string) => {
    await begin(
      followByCli(platform, 'bench', printing),
      followByGrpc(platform, 'bench', printing),
      ...(await docker('bench')),
    );
    await latency(title, stage, followers);
    await end();
  };
  let floods = 0;
  if (parts.has('latency')) {
    await sleep(startUpMs);
    await quiet('A line each 50 ms');
  }
  if (parts.has('alone')) {
    floods += 1;
    await flood('A flood that nobody follows', stage, floods, [], untilStored(platform, 'bench', floods, printing));
  }
  if (parts.has('followed')) {
    floods += 1;
    if (floods === 1) await begin(followByCli(platform, 'bench', printing), ...(await docker('bench')));
    await flood('A flood that is followed', stage, floods, followers, async () => {});
    await end();
  }
  if (parts.has('slow')) {
    floods += 1;
    const follower = followByCli(platform, 'bench', printing);
    await begin(follower);
    follower.throttle(20_000);
    await flood('A flood that is followed slowly', stage, floods, [], untilStored(platform, 'bench', floods, printing));
    await end();
  }
  if (parts.has('latency') && floods > 0) await quiet('A line each 50 ms, after the floods');
  if (parts.has('neighbours')) {
    await neighbours(stage, Number(values.bots), Number(values['bot-lines']), files, async () => {
      await begin(followByCli(platform, 'bench', printing), ...(await docker('bench')));
      return followers;
    });
    await end();
  }
} finally {
  await Promise.all(followers.map((follower) => follower.kill()));
  await engine?.stop();
  rmSync(files, { recursive: true });
}
