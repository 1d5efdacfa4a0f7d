/**
 * Lets Node.js 24 run the .ts files of this package when it is installed under node_modules, where the built-in type
 * stripping is switched off (https://nodejs.org/api/typescript.html#type-stripping-in-dependencies). Preloaded by the
 * launcher; touches no other package.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

const ownFolder = new URL('../../', import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const own = url.startsWith(ownFolder) && !url.slice(ownFolder.length).includes('node_modules/');
    if (!own || !url.endsWith('.ts')) return nextLoad(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
    return { format: 'module', source, shortCircuit: true };
  },
});
