/** The demo's own Telegram, listening where the bot can reach it. */
import { type FakeTelegram, startFakeTelegram } from '../../test/kit/fake-telegram/fake-telegram.ts';
import { bridgeGateway, type EngineAddress } from '../platform/engine-probe.ts';

/**
 * For Docker the bridge's gateway, for a process loopback. TELEGRAM_HOST names another address of this machine, for an
 * engine whose bridge is not on this host.
 */
export async function startDemoTelegram(
  token: string,
  engine: EngineAddress | undefined,
  env: NodeJS.ProcessEnv,
): Promise<FakeTelegram> {
  const host = env['TELEGRAM_HOST'] || (engine === undefined ? '127.0.0.1' : await bridgeGateway(engine));
  if (host === undefined)
    throw new Error(
      'the engine has no bridge network; set TELEGRAM_HOST to an address of this host that containers reach',
    );
  try {
    return await startFakeTelegram({ host, tokens: [token] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
    throw new Error(
      `${host}, where containers look for this host, is no address of this machine; set TELEGRAM_HOST to one that containers reach`,
      { cause: error },
    );
  }
}
