/**
 * clipanion as packed: its ES modules, so that the bundler keeps only what is used, without the process's streams and colours
 * as defaults. Those would be opened and queried on every start, and our contexts have their own.
 */
import type { Plugin } from 'rolldown';
import { checkoutPath } from '../process/checkout.ts';

const folder = checkoutPath('node_modules', 'clipanion', 'lib');
const defaults = /^Cli\.defaultContext = \{[^{}]*\};$/m;

export const leanClipanion: Plugin = {
  name: 'lean-clipanion',
  resolveId: {
    filter: { id: /^clipanion\/lib\/advanced\/index\.js$/ },
    handler: () => `${folder}/advanced/index.mjs`,
  },
  transform: {
    filter: { id: /\/clipanion\/lib\/advanced\/Cli\.mjs$/ },
    handler(code) {
      if (!defaults.test(code)) throw new Error('clipanion has its default context in another form');
      return code.replace(defaults, 'Cli.defaultContext = {};');
    },
  },
};
