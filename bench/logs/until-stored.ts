/** Looks whether all of a flood has come into the log. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../../test/kit/eventually.ts';
import type { TestPlatform } from '../../test/kit/platform-for-tests.ts';
import type { Printing } from './bot.ts';

export function untilStored(
  { url }: TestPlatform,
  botId: string,
  flood: number,
  printing: Pick<Printing, 'lines'>,
): () => Promise<void> {
  const client = createClient(BotService, createGrpcTransport({ baseUrl: url }));
  const headers = { authorization: 'Bearer test-client-token' };
  const last = async () => {
    let text = '';
    for await (const { entries } of client.streamLogs({ botId, lines: 1 }, { headers })) {
      text = entries.at(-1)?.text ?? text;
    }
    return text;
  };
  return async () => {
    await eventually(
      `the log of ${botId} has the flood`,
      last,
      (text) => text.startsWith(`${flood} ${printing.lines} `),
      {
        timeoutMs: 300_000,
        everyMs: 500,
      },
    );
  };
}
