/**
 * What a container was made with, as one label: equal digests mean that it would be made the same way again. Keyed, since
 * secrets of the bot go into it and anyone who may use the engine can read labels.
 */
import { createHmac } from 'node:crypto';
import type { SigningKey } from './labels.ts';

/** The label; not covered by `sig`. */
export const settingsLabel = 'settings';

/** `settings`: plain data whose keys always come in the same order. */
export const settingsDigest = (key: SigningKey, settings: unknown): string =>
  createHmac('sha256', key.reveal())
    .update(JSON.stringify(['bot-runner settings 1', settings]))
    .digest('hex');

/** In an order that does not depend on how a map was sent. */
export const sortedEnv = (env: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
