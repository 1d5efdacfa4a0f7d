import { expect, it } from 'vitest';
import { type Found, planDemo } from './plan.ts';

const ok = { ok: true, says: 'there' };
const not = { ok: false, says: 'not there' };
const all: Found = {
  engine: ok,
  pythonImage: ok,
  nodeImage: undefined,
  thisMachine: ok,
  packageIndex: ok,
  hostPython: undefined,
};

it.each<[string, Partial<Found>, 'docker' | 'process', string]>([
  ['all that it may want', {}, 'docker', 'echo_bot.py'],
  ['no package index', { packageIndex: not }, 'docker', 'echo_bot_stdlib.py'],
  ['only the image of Node.js', { pythonImage: not, nodeImage: ok }, 'docker', 'echo_bot.mjs'],
  ['no base image', { pythonImage: not, nodeImage: not, thisMachine: undefined }, 'process', 'echo_bot.mjs'],
  [
    'containers that do not reach this machine',
    { thisMachine: not, hostPython: '3.11' },
    'process',
    'echo_bot_stdlib.py',
  ],
  ['no engine', { engine: not, pythonImage: undefined, thisMachine: undefined }, 'process', 'echo_bot.mjs'],
])('with %s', (_, found, runtime, bot) => {
  expect(planDemo({ ...all, ...found })).toMatchObject({ runtime, bot: `examples/bots/${bot}` });
});

it('says what keeps it from containers', () => {
  const says = (found: Partial<Found>) => planDemo({ ...all, ...found }).says;
  expect(says({ engine: not })).toContain('because there is no Docker engine');
  expect(says({ thisMachine: not })).toContain('because containers do not reach this machine');
  expect(says({ pythonImage: not, nodeImage: not, thisMachine: undefined })).toContain(
    'because no base image is there',
  );
});
