/** Where things are in the checkout, wherever the command was started. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const checkout: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const checkoutPath = (...parts: readonly string[]): string => join(checkout, ...parts);
