/**
 * Puts a worker's rules in place: a short-lived container with the host's network and NET_ADMIN runs nft(8), because the
 * worker itself has no capability and may be in a network of its own.
 */
import { access, rm, writeFile } from 'node:fs/promises';
import type { Clock } from '#common/clock.ts';
import { shortHash } from '#common/ids.ts';
import { list, record, text, texts } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { bridgePrefix, unnamedBridge } from '../network-names.ts';
import { removeLeftovers, runShortly, type ShortRunEnd } from '../short-run.ts';
import type { FindAddresses } from './addresses.ts';
import type { EgressSetting } from './egress-setting.ts';
import type { Holding, SetRules } from './firewall.ts';
import type { FindNftImage, NftImage } from './nft-image.ts';
import type { Destination, Place } from './places.ts';
import { firstFile, nameServers } from './resolvers.ts';
import { removalText, rulesetText, rulesMark, showText } from './ruleset.ts';

/** What the operator's settings name, whose servers have to be reached. */
export interface NamedPlaces {
  /** TELEGRAM_API_BASE. */
  readonly forBots: readonly Place[];
  /** Package indexes, mirror, proxy, FETCH_ALLOW. */
  readonly forBuilds: readonly Place[];
  /** The orchestrator. */
  readonly refused: readonly Place[];
}

export interface SetRulesDeps {
  readonly engine: EngineClient;
  readonly workerId: string;
  /** This worker's id, and those of workers whose containers it has taken over. */
  readonly workerIds: () => readonly string[];
  /** DOCKER_NETWORK: older workers had all bots in one network of this name. */
  readonly network: string;
  readonly named: NamedPlaces;
  readonly findAddresses: FindAddresses;
  readonly findImage: FindNftImage;
  readonly clock: Clock;
  /** A file that is there while rules of this worker may be in the kernel. */
  readonly markFile: string;
}

const runMs = 45_000;
const resolversMs = 300_000;
/** The label of our short-lived containers; its value is the worker. */
const helperLabel = 'bot_runner.firewall';

const tableName = (workerId: string): string => `bot_runner_${shortHash(workerId, 8)}`;

export function createSetRules(deps: SetRulesDeps): SetRules {
  const table = tableName(deps.workerId);
  let tidied = false;
  const resolvers = createResolvers(deps);
  return async (setting, signal) => {
    try {
      // Old rules have to be removed; where there are none, nothing has to run.
      if (setting.kind === 'open' && !(await isThere(deps.markFile))) return nothing;
      const why = await obstacle(deps.engine, signal);
      if (why !== undefined) return setting.kind === 'open' ? nothing : { holds: false, why };
      const found = await deps.findImage(deps.engine, signal);
      if ('why' in found) return setting.kind === 'open' ? nothing : { holds: false, why: found.why };
      if (!tidied) {
        tidied = true;
        await removeLeftovers(deps.engine, { label: [`${helperLabel}=${deps.workerId}`] }, signal);
      }
      if (setting.kind === 'open') {
        const removed = holdingOf(await runNft(deps, found, removalText(table), signal));
        if (removed.holds) await rm(deps.markFile, { force: true });
        return removed;
      }
      const rules = rulesetText(await rulesOf(deps, setting, await resolvers(found, signal), table, signal));
      const seen = (await isThere(deps.markFile)) ? await runNft(deps, found, showText(table), signal) : undefined;
      const refused = seen?.code === 0 ? seen.output : '';
      if (seen?.code === 0 && seen.output.includes(rulesMark(rules))) return { holds: true, refused, wereGone: false };
      await writeFile(deps.markFile, `${table}\n`, { mode: 0o600 });
      const anew = holdingOf(await runNft(deps, found, rules, signal));
      return anew.holds ? { holds: true, refused, wereGone: seen !== undefined && seen.code !== 0 } : anew;
    } catch (error) {
      // A container may have been left that nobody knows by its id.
      tidied = false;
      if (!(error instanceof EngineRefusal)) throw error;
      const why = `the engine refused the container that sets the rules: ${oneLine(error.text)}`;
      return { holds: false, why, mayPass: true };
    }
  };
}

/** EGRESS=open asks for no rules. */
const nothing: Holding = { holds: true, refused: '', wereGone: false };

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

function holdingOf({ code, output }: ShortRunEnd): Holding {
  if (code === 0) return nothing;
  return { holds: false, why: `the kernel or nft does not take the rules: ${oneLine(output) || `exit code ${code}`}` };
}

const oneLine = (text: string): string => text.trim().split('\n')[0]?.slice(0, 200) ?? '';

/** Engines on which rules of ours would be nowhere near the bots' packets, or are not tried. */
async function obstacle(engine: EngineClient, signal: AbortSignal): Promise<string | undefined> {
  if ((await engine.kind(signal)) === 'podman') return 'it is not made on Podman';
  const info = record(await engine.call({ method: 'GET', path: '/info' }, signal));
  if (list(info['SecurityOptions']).some((option) => text(option).includes('name=rootless'))) {
    return 'it is not made on a rootless engine';
  }
  return undefined;
}

async function rulesOf(
  deps: SetRulesDeps,
  setting: Exclude<EgressSetting, { kind: 'open' }>,
  resolvers: readonly Destination[],
  table: string,
  signal: AbortSignal,
) {
  const { named, findAddresses } = deps;
  const [allowed, forBots, forBuilds, refused, former] = await Promise.all([
    findAddresses(setting.allow, signal),
    findAddresses(named.forBots, signal),
    findAddresses(named.forBuilds, signal),
    findAddresses(named.refused, signal),
    formerBridge(deps, signal),
  ]);
  const bridges = (use: 'bots' | 'builds') => deps.workerIds().map((id) => `${bridgePrefix(id, use)}*`);
  return {
    table,
    bots: [...bridges('bots'), ...former],
    builds: bridges('builds'),
    internet: setting.internet,
    forBots: [...allowed, ...forBots],
    forBuilds: [...allowed, ...forBuilds],
    resolvers,
    refused,
  };
}

const runNft = ({ engine, workerId }: SetRulesDeps, { image, command }: NftImage, rules: string, signal: AbortSignal) =>
  runShortly(engine, { body: helper(image, [...command, rules], workerId, true), timeoutMs: runMs }, signal);

/** Asked again now and then: a laptop gets others with each network that it joins. */
function createResolvers(deps: SetRulesDeps) {
  let found: readonly Destination[] = [];
  let atMs = Number.NEGATIVE_INFINITY;
  return async (image: NftImage, signal: AbortSignal): Promise<readonly Destination[]> => {
    if (deps.clock.monotonicMs() - atMs < resolversMs) return found;
    found = await findResolvers(deps, image, signal);
    atMs = deps.clock.monotonicMs();
    return found;
  };
}

/** What a container without a network has in its resolv.conf is what the engine would ask for one with a network. */
async function findResolvers(
  { engine, workerId }: SetRulesDeps,
  { image, command }: NftImage,
  signal: AbortSignal,
): Promise<readonly Destination[]> {
  const body = helper(image, [...command, '--version'], workerId, false);
  const { file } = await runShortly(engine, { body, timeoutMs: runMs, file: '/etc/resolv.conf' }, signal);
  return file === undefined ? [] : nameServers(await firstFile(file));
}

function helper(image: string, command: readonly string[], workerId: string, setsRules: boolean) {
  return {
    Image: image,
    Entrypoint: command.slice(0, 1),
    Cmd: command.slice(1),
    User: '0:0',
    WorkingDir: '/',
    Labels: { [helperLabel]: workerId },
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: setsRules ? 'host' : 'none',
      // An engine with user namespaces lets nobody else into the host's network.
      ...(setsRules && { UsernsMode: 'host' }),
      CapDrop: ['ALL'],
      CapAdd: setsRules ? ['NET_ADMIN'] : [],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: true,
      PidsLimit: 32,
      Memory: 128 * 1024 * 1024,
      MemorySwap: 128 * 1024 * 1024,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
    },
  };
}

/** The bridge of the one network that older workers made, in which their bots still run; foreign networks are left alone. */
async function formerBridge({ engine, network }: SetRulesDeps, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const path = `/networks/${encodeURIComponent(network)}`;
    const found = record(await engine.call({ method: 'GET', path }, signal));
    if (text(found['Name']) !== network || texts(found['Labels'])['bot_runner'] !== 'true') return [];
    return [texts(found['Options'])['com.docker.network.bridge.name'] ?? unnamedBridge(text(found['Id']))];
  } catch (error) {
    if (hasStatus(error, 404, 400)) return [];
    throw error;
  }
}
