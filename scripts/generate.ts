/**
 * Writes all that is generated and committed: gen/ from proto/, the import walls of biome.json, the table of the CLI's
 * commands, the pages of docs/.
 */
import { biomeWalls, commandSpecs, pages } from './generated/files.ts';
import { write } from './generated/write.ts';
import { interrupted } from './process/interrupted.ts';
import { run } from './process/run.ts';

const signal = interrupted();
const generated = await run('buf', ['generate'], { print: 'show', signal });
if (generated.code === 0) await write([biomeWalls, commandSpecs, ...pages], signal);
else process.exitCode = generated.code;
