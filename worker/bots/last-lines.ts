/** The last lines of a bot that ended while its start was still watched. */
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { entryToProto } from '../logs/log-entry.ts';
import type { BotContext } from './bot-context.ts';
import type { BotMemory } from './bot-memory.ts';

const lastLinesMax = 20;

/** Empty when they cannot be read: the result matters more than its last lines. */
export async function readLastLines(
  { key, startSeq }: BotMemory,
  { log, logger }: BotContext,
  signal: AbortSignal,
): Promise<readonly LogEntry[]> {
  try {
    const { storeId, entries } = await log.lastLines(startSeq, lastLinesMax, signal);
    return entries.map((entry) => entryToProto(storeId, entry));
  } catch (error) {
    logger.warn({ err: error, bot: key }, 'the last lines of a bot could not be read');
    return [];
  }
}
