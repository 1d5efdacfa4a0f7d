/** The demo's own Telegram, listening where the bot can reach it. */
import { type FakeTelegram, startFakeTelegram } from '../../test/kit/fake-telegram/fake-telegram.ts';
import type { HostAddress } from './container-probe.ts';

/** The fake with the address that bots are to use. */
export interface DemoTelegram extends FakeTelegram {
  readonly calledUrl: string;
}

export async function startDemoTelegram(token: string, { listen, called }: HostAddress): Promise<DemoTelegram> {
  try {
    const telegram = await startFakeTelegram({ host: listen, tokens: [token] });
    return { ...telegram, calledUrl: telegram.url.replace(`//${listen}:`, `//${called}:`) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
    throw new Error(`${listen} is not an address of this machine; set TELEGRAM_HOST to one that containers can reach`, {
      cause: error,
    });
  }
}
