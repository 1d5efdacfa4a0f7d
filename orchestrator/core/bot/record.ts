/**
 * How a bot's record comes to be. Imported by the other files of this folder, by the store's table and by tests alone
 * (test/house/bot-writers.test.ts). Pure.
 */
import type { BotRecord } from '../records.ts';

export type BotFields = Pick<BotRecord, keyof BotRecord>;

/** A record of these fields. */
export const botRecord = (fields: BotFields): BotRecord => fields as BotRecord; // the protected member holds no value

/** The bot with some fields changed. */
export const changed = (bot: BotRecord, to: Partial<BotFields>): BotRecord => botRecord({ ...bot, ...to });
