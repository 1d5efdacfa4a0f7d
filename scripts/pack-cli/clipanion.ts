/**
 * clipanion as the packed program has it: its ES modules, of which a bundler takes only what is used, without the streams and the
 * colours of the process as defaults. They would be opened and asked for in every start, and our contexts have their own.
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
