/** Formats everything and fixes what can be fixed mechanically: npm run format */
import { interrupted } from './process/interrupted.ts';
import { run } from './process/run.ts';

const signal = interrupted();
const code = await run('biome', ['check', '--write', '.'], { print: 'show', signal });
const proto = await run('buf', ['format', '-w'], { print: 'show', signal });
process.exitCode = code.code || proto.code;
