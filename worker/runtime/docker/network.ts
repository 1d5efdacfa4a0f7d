/** The network that all bots and builds of this host share. On Docker its members cannot reach each other. */
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

export interface BotNetwork {
  readonly name: string;
  /** Makes it if it is absent. Returns the address of its gateway, which is this host; empty when the engine names none. */
  ensure(signal: AbortSignal): Promise<string>;
}

const isolation = 'com.docker.network.bridge.enable_icc';

export function createBotNetwork(engine: EngineClient, name: string, logger: Logger): BotNetwork {
  let warned = false;
  const inspect = async (signal: AbortSignal): Promise<unknown> => {
    try {
      return await engine.call({ method: 'GET', path: `/networks/${encodeURIComponent(name)}` }, signal);
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      // Engines before 25 let two networks have one name, and then take the name for neither.
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
  return {
    name,
    async ensure(signal) {
      let answer = await inspect(signal);
      if (answer === undefined) {
        await make(signal);
        answer = await inspect(signal);
      }
      const network = record(answer);
      if (record(network['Options'])[isolation] !== 'false' && !warned) {
        warned = true;
        const why =
          (await engine.kind(signal)) === 'podman'
            ? 'Podman does not keep the containers of a network apart'
            : `this network was created by somebody else without ${isolation}=false`;
        logger.warn({ network: name }, `${why}: bots can reach each other`);
      }
      return text(record(list(record(network['IPAM'])['Config'])[0])['Gateway']);
    },
  };
}
