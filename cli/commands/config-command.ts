/** What commands share that show how a bot is configured. */
import { create } from '@bufbuild/protobuf';
import { type BotConfig, BotConfigSchema } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { callTimeoutMs } from '../calls/client.ts';
import { BotCommand } from './bot-command.ts';
import { tooOld } from './configuring-command.ts';

export abstract class ConfigCommand extends BotCommand {
  protected async config(botId: string): Promise<BotConfig> {
    const options = { signal: this.context.signal, timeoutMs: callTimeoutMs };
    const { config } = await this.withClient((client) =>
      client
        .for(BotService)
        .getBotConfig({ botId }, options)
        .catch((error: unknown) => Promise.reject(tooOld(error))),
    );
    return config ?? create(BotConfigSchema);
  }
}
