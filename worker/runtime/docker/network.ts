/** The network that all bots and builds of this host share. On Docker its members cannot reach each other. */
import { type Clock, systemClock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

export interface BotNetwork {
  readonly name: string;
  /** Makes it if it is absent. Returns the address of its gateway, which is this host; empty when the engine names none. */
  ensure(signal: AbortSignal): Promise<string>;
  /** The same, without asking for what was seen a moment ago. A start finds out, and then it is made again. */
  ensureSeen(signal: AbortSignal): Promise<void>;
}

// The engine is checked every ten seconds, and with it the network.
const seenForMs = 30_000;

const isolation = 'com.docker.network.bridge.enable_icc';

export function createBotNetwork(
  engine: EngineClient,
  name: string,
  logger: Logger,
  clock: Clock = systemClock,
): BotNetwork {
  let warned = false;
  let seenAtMs = Number.NEGATIVE_INFINITY;
  const inspect = async (signal: AbortSignal): Promise<unknown> => {
    try {
      return await engine.call({ method: 'GET', path: `/networks/${encodeURIComponent(name)}` }, signal);
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
  };
  const make = async (signal: AbortSignal) => {
    const body = {
      Name: name,
      Driver: 'bridge',
      CheckDuplicate: true,
      Options: { [isolation]: 'false' },
      Labels: { bot_runner: 'true' },
    };
    try {
      await engine.call({ method: 'POST', path: '/networks/create', body }, signal);
    } catch (error) {
      // 409: somebody made it between our look and now.
      if (!hasStatus(error, 409)) throw error;
    }
  };
  const network: BotNetwork = {
    name,
    async ensure(signal) {
      seenAtMs = Number.NEGATIVE_INFINITY;
      let answer = await inspect(signal);
      if (answer === undefined) {
        await make(signal);
        answer = await inspect(signal);
      }
      const facts = record(answer);
      if (record(facts['Options'])[isolation] !== 'false' && !warned) {
        warned = true;
        const why =
          (await engine.kind(signal)) === 'podman'
            ? 'Podman does not keep the containers of a network apart'
            : `this network was created by somebody else without ${isolation}=false`;
        logger.warn({ network: name }, `${why}: bots can reach each other`);
      }
      seenAtMs = clock.monotonicMs();
      return text(record(list(record(facts['IPAM'])['Config'])[0])['Gateway']);
    },
    async ensureSeen(signal) {
      if (clock.monotonicMs() - seenAtMs > seenForMs) await network.ensure(signal);
    },
  };
  return network;
}

/** An operator's "docker network prune" takes a network that no running container uses. */
export async function withNetwork<T>(network: BotNetwork, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasStatus(error, 404) || !/network/i.test(error.text)) throw error;
    await network.ensure(signal);
    return work();
  }
}
