/**
 * Makes the contract of now the released one: npm run release-proto [-- --accept-breaking]
 *
 * proto/released.binpb is what `buf breaking` compares proto/ with. It is changed at a release and at no other time:
 * compared with the branch it is on, a change could never be seen to break anything. A change that breaks clients of the
 * last release is refused unless --accept-breaking is given; then it needs a new major version and a line in CHANGELOG.md.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkoutPath } from './process/checkout.ts';
import { interrupted } from './process/interrupted.ts';
import { type Ended, run } from './process/run.ts';

const released = 'proto/released.binpb';
const { values } = parseArgs({ options: { 'accept-breaking': { type: 'boolean', default: false } } });
const signal = interrupted();

const checks: (readonly string[])[] = [['lint'], ['format', '--diff', '--exit-code']];
if (existsSync(checkoutPath(released)) && !values['accept-breaking']) checks.push(['breaking', '--against', released]);

process.exitCode = await release();

async function release(): Promise<number> {
  for (const args of checks) {
    const ended = await run('buf', args, { signal });
    if (ended.code !== 0) return refuse(args, ended);
  }
  // Comments are not part of the promise: without them the file changes only when the contract does.
  const built = await run('buf', ['build', '--exclude-source-info', '-o', released], { print: 'show', signal });
  if (built.code === 0) console.log(`${released} is the contract of now. Commit it with the release.`);
  return built.code;
}

function refuse(args: readonly string[], ended: Ended): number {
  console.error(`${ended.output}\nbuf ${args.join(' ')} found the above; ${released} is as it was.`);
  return 1;
}
