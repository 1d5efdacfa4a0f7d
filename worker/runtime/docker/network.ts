/**
 * The networks that bots and builds of this host are in: of each user one for bots and one for builds, so that nobody finds
 * the bots of others, by name or on the wire. On Docker the members of a network cannot reach each other either.
 *
 * They are made when they are needed, and removed when no container has needed them for an hour.
 */
import { networkInterfaces } from 'node:os';
import { type Clock, systemClock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { problem, refuse } from '#common/problem.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { asFailure } from '../../failures/chances.ts';
import { type JsonRecord, list, record, text, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal, hasStatus } from './engine-errors.ts';
import { type NetworkName, type NetworkUse, networkName } from './network-names.ts';
import { freeSubnet, gatewayOf, type SubnetPool } from './subnets.ts';

export interface NetworkOptions {
  /** DOCKER_NETWORK: what the names of the networks begin with. */
  readonly base: string;
  readonly workerId: string;
  /** Where their addresses come from. */
  readonly subnets: SubnetPool;
}

export interface BotNetworks {
  name(userId: string, use: NetworkUse): string;
  /** Makes it if it is absent. Returns its name. */
  ensure(userId: string, use: NetworkUse, signal: AbortSignal): Promise<string>;
  /** The same, without asking for what was seen a moment ago. A start finds out, and then it is made again. */
  ensureSeen(userId: string, use: NetworkUse, signal: AbortSignal): Promise<string>;
  /** Runs work between whose steps nobody may be in the network: it stays until the work is done. */
  during<T>(userId: string, use: NetworkUse, work: () => Promise<T>): Promise<T>;
  /** A bot of the user is gone: removes the networks that no container of the user is in. */
  left(userId: string, signal: AbortSignal): Promise<void>;
  /** The user whose network has that bridge, of those that this process has asked for. */
  ownerOf(bridge: string): string | undefined;
  /**
   * The engine answers: removes what `left` could not, because a build was just ending in it or its engine was away, and those that were
   * asked for without an answer.
   */
  settle(signal: AbortSignal): Promise<void>;
  /** Removes those that no container is in and that nobody has asked for in the last hour. */
  sweep(signal: AbortSignal): Promise<void>;
}

/** What became of a network that was to be removed. */
type RemovalEnd = 'removed' | 'absent' | 'used';

const seenForMs = 30_000;
const idleMs = 3_600_000;
/** For so long `settle` tries; what is in use by then is in use for good. */
const owedForMs = 600_000;
/** How many ranges are tried that the engine refuses: another program takes one at the same moment, or an engine has lost track of one. */
const rangesTried = 8;

const isolation = 'com.docker.network.bridge.enable_icc';
const bridgeName = 'com.docker.network.bridge.name';
const mtu = 'com.docker.network.driver.mtu';
/** Whose network it is: the id of the worker that made it. */
const workerLabel = 'bot_runner.worker';

export function createBotNetworks(
  engine: EngineClient,
  { base, workerId, subnets }: NetworkOptions,
  logger: Logger,
  clock: Clock = systemClock,
): BotNetworks {
  const seenAtMs = new Map<string, number>();
  const held = new Map<string, number>();
  const owners = new Map<string, string>();
  /** Networks that may have to be removed. `isLate`: the engine was asked for it and has not answered; it may come yet. */
  const owed = new Map<string, { readonly sinceMs: number; readonly isLate: boolean }>();
  const owe = (name: string, isLate: boolean) =>
    owed.set(name, { sinceMs: clock.monotonicMs(), isLate: isLate || owed.get(name)?.isLate === true });
  const pay = (name: string, end: RemovalEnd) => {
    if (end === 'removed' || (end === 'absent' && owed.get(name)?.isLate !== true)) owed.delete(name);
  };
  const making = new SerialQueue();
  const bornAtMs = clock.monotonicMs();
  let warned = false;
  const named = (userId: string, use: NetworkUse) => networkName(base, workerId, userId, use);

  const make = async ({ name, bridge }: NetworkName, signal: AbortSignal): Promise<void> => {
    const labels = { bot_runner: 'true', [workerLabel]: workerId };
    const plain = { Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: labels };
    if ((await engine.kind(signal)) === 'podman') {
      // It has ranges enough, and its bridges are no concern of a firewall of ours.
      await create(engine, { ...plain, Options: { [isolation]: 'false' } }, signal);
      return;
    }
    const refused: string[] = [];
    for (let tries = 1; ; tries += 1) {
      const others = await allNetworks(engine, signal);
      const range = freeSubnet(subnets, [...others.flatMap(rangesOf), ...ownRanges(), ...refused]);
      if (range === undefined) return refuseFullPool();
      // An operator whose hosts need smaller packets says so on a network of the base's name.
      const size = text(record(others.find(({ Name }) => Name === base)?.['Options'])[mtu]);
      const options = { [isolation]: 'false', [bridgeName]: bridge, ...(size !== '' && { [mtu]: size }) };
      try {
        await create(
          engine,
          { ...plain, Options: options, IPAM: { Config: [{ Subnet: range, Gateway: gatewayOf(range) }] } },
          signal,
        );
        return;
      } catch (error) {
        if (tries === rangesTried || !(error instanceof EngineRefusal && /overlap/i.test(error.text))) throw error;
        refused.push(range);
      }
    }
  };

  const notMade = (error: EngineRefusal) => {
    logger.warn({ status: error.status, engine: error.text }, 'the engine refused to make a network');
    const failed = problem('CONTAINER_ERROR', 'The container engine refused to make a network for the bot.', {
      hint: "The worker's log has the engine's words; the operator has to see to it.",
    });
    return asFailure(failed, 'briefly', { cause: error });
  };

  const ensure = async (userId: string, use: NetworkUse, signal: AbortSignal): Promise<string> => {
    const wanted = named(userId, use);
    seenAtMs.delete(wanted.name);
    owed.delete(wanted.name);
    let found = await inspect(engine, wanted.name, signal);
    const isPodman = (await engine.kind(signal)) === 'podman';
    if (found !== undefined && !isPodman && !isAsMade(found, wanted)) {
      await removeForeign(engine, wanted.name, signal);
      found = undefined;
    }
    if (found === undefined) {
      await making
        .run(() => make(wanted, signal))
        .catch((error: unknown) => {
          if (error instanceof EngineRefusal) throw notMade(error);
          // It may make it still, when nobody needs it any more.
          owe(wanted.name, true);
          throw error;
        });
    }
    if (isPodman && !warned) {
      warned = true;
      logger.warn(
        {},
        'Podman does not keep the containers of a network apart: the bots of one user can reach each other',
      );
    }
    seenAtMs.set(wanted.name, clock.monotonicMs());
    owners.set(wanted.bridge, userId);
    return wanted.name;
  };

  const removeUnused = async (name: string, signal: AbortSignal): Promise<RemovalEnd> => {
    if (held.has(name)) return 'used';
    const query = { all: true, limit: 1, filters: { network: [name] } };
    if (list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal)).length > 0) return 'used';
    seenAtMs.delete(name);
    return removeIdle(engine, name, signal);
  };

  return {
    name: (userId, use) => named(userId, use).name,
    ensure,
    async ensureSeen(userId, use, signal) {
      const { name } = named(userId, use);
      const age = clock.monotonicMs() - (seenAtMs.get(name) ?? Number.NEGATIVE_INFINITY);
      return age > seenForMs ? ensure(userId, use, signal) : name;
    },
    async during(userId, use, work) {
      const { name } = named(userId, use);
      held.set(name, (held.get(name) ?? 0) + 1);
      try {
        return await work();
      } finally {
        const others = (held.get(name) ?? 1) - 1;
        if (others > 0) held.set(name, others);
        else held.delete(name);
      }
    },
    ownerOf: (bridge) => owners.get(bridge),
    async left(userId, signal) {
      await removeUnused(named(userId, 'bots').name, signal);
      const { name } = named(userId, 'builds');
      // What a bot's own network has in it are other bots, which come by here when they go. A build does not.
      owe(name, false);
      pay(name, await removeUnused(name, signal));
    },
    async settle(signal) {
      await each(owed, signal, async ([name, { sinceMs }]) => {
        if (clock.monotonicMs() - sinceMs > owedForMs) owed.delete(name);
        pay(name, await removeUnused(name, signal));
      });
    },
    async sweep(signal) {
      const nowMs = clock.monotonicMs();
      const filters = { label: [`${workerLabel}=${workerId}`] };
      const found = list(await engine.call({ method: 'GET', path: '/networks', query: { filters } }, signal));
      const names = found.map((network) => text(record(network)['Name']));
      const idle = names.filter((name) => name !== '' && nowMs - (seenAtMs.get(name) ?? bornAtMs) >= idleMs);
      await each(idle, signal, (name) => removeUnused(name, signal));
    },
  };
}

/** One after the other. What the engine refuses for one keeps no other waiting, and is thrown at the end. */
async function each<T>(all: Iterable<T>, signal: AbortSignal, work: (one: T) => Promise<unknown>): Promise<void> {
  const refused: unknown[] = [];
  for (const one of all) {
    signal.throwIfAborted();
    await work(one).catch((error: unknown) => {
      if (!(error instanceof EngineRefusal)) throw error;
      refused.push(error);
    });
  }
  if (refused.length > 0) throw refused[0];
}

/** An operator's "docker network prune" takes a network that no running container uses. */
export async function withNetwork<T>(
  networks: BotNetworks,
  { userId, use }: { readonly userId: string; readonly use: NetworkUse },
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasStatus(error, 404) || !/network/i.test(error.text)) throw error;
    await networks.ensure(userId, use, signal);
    return work();
  }
}

async function inspect(engine: EngineClient, name: string, signal: AbortSignal): Promise<JsonRecord | undefined> {
  try {
    return record(await engine.call({ method: 'GET', path: `/networks/${encodeURIComponent(name)}` }, signal));
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    // Engines before 25 let two networks share a name, and then accept the name for neither.
    if (hasStatus(error, 400) && /ambiguous/i.test(error.text)) {
      refuse('CONTAINER_ERROR', `The engine has more than one network named ${name}, so bots can use neither.`, {
        hint: `The operator has to remove all but one by id: docker network ls --filter name=${name}, then docker network rm ID.`,
      });
    }
    throw error;
  }
}

async function create(engine: EngineClient, body: unknown, signal: AbortSignal): Promise<void> {
  try {
    await engine.call({ method: 'POST', path: '/networks/create', body }, signal);
  } catch (error) {
    // 409: somebody made it between our look and now.
    if (!hasStatus(error, 409)) throw error;
  }
}

const isAsMade = (network: JsonRecord, { bridge }: NetworkName): boolean => {
  const options = texts(network['Options']);
  return options[isolation] === 'false' && options[bridgeName] === bridge;
};

/** Somebody else has made a network of that name, in which bots could reach each other, or which no rule of ours is for. */
async function removeForeign(engine: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call({ method: 'DELETE', path: `/networks/${encodeURIComponent(name)}` }, signal);
  } catch (error) {
    if (hasStatus(error, 404)) return;
    if (!hasStatus(error, 403)) throw error;
    refuse('CONTAINER_ERROR', `The network ${name} was not made by this worker, and is in use.`, {
      hint: 'The operator has to remove its containers, or to set DOCKER_NETWORK to another name.',
    });
  }
}

/** 403: a container has just come. */
async function removeIdle(engine: EngineClient, name: string, signal: AbortSignal): Promise<RemovalEnd> {
  try {
    await engine.call({ method: 'DELETE', path: `/networks/${encodeURIComponent(name)}` }, signal);
    return 'removed';
  } catch (error) {
    if (!hasStatus(error, 403, 404)) throw error;
    return error.status === 404 ? 'absent' : 'used';
  }
}

const allNetworks = async (engine: EngineClient, signal: AbortSignal): Promise<readonly JsonRecord[]> =>
  list(await engine.call({ method: 'GET', path: '/networks' }, signal)).map(record);

const rangesOf = (network: JsonRecord): readonly string[] =>
  list(record(network['IPAM'])['Config']).map((config) => text(record(config)['Subnet']));

/** Those that this process sees, which on the engine's host are those of the LAN too. */
const ownRanges = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).flatMap(({ cidr }) => cidr ?? []));

const refuseFullPool = (): never =>
  refuse('CONTAINER_ERROR', 'The worker has no addresses left for another network of bots.', {
    hint: 'Each user has a network on the worker. The operator can set BOT_SUBNETS to a larger range, for example 10.216.0.0/14.',
  });
