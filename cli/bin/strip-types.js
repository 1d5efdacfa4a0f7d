/**
 * Lets Node.js 24 run the .ts files of this package when it is installed under node_modules, where the built-in type
 * stripping is switched off (https://nodejs.org/api/typescript.html#type-stripping-in-dependencies). Loaded by the
 * launcher before anything else; touches no other package.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

const ownFolder = new URL('../../', import.meta.url).href;

// It calls itself experimental on every start: true, and of no use to whoever starts a bot.
const { emitWarning } = process;
process.emitWarning = (warning, ...kind) => {
  if (!kind.includes('ExperimentalWarning')) emitWarning.call(process, warning, ...kind);
};

registerHooks({
  load(url, context, nextLoad) {
    const own = url.startsWith(ownFolder) && !url.slice(ownFolder.length).includes('node_modules/');
    if (!own || !url.endsWith('.ts')) return nextLoad(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
    return { format: 'module', source, shortCircuit: true };
  },
});
