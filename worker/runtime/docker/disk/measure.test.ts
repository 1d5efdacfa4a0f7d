import { expect, it } from 'vitest';
import { readMeasures } from './measure.ts';

const target = (id: string, isOld = false) => ({
  id,
  isOld,
  layerBytes: undefined,
  folders: [
    { path: '/l', kind: 'layer' as const },
    { path: '/d', kind: 'volume' as const },
  ],
});

it('adds what each container has, and counts an open deleted file once, where it is', () => {
  const output = `0 l 4096 3
0 v 8192 5
0 dev v 65024
0 dev l 71
0 open 8 71 100
0 open 8 71 100
0 open 16 65024 100
0 open 999 12 1
1 l ? ?
1 v 1 1
`;
  expect(readMeasures([target('a'), target('b', true)], output)).toEqual([
    {
      containerId: 'a',
      dataBytes: 8192 + 16 * 512,
      layerBytes: 4096 + 8 * 512,
      dataFiles: 5,
      layerFiles: 3,
      isSized: false,
      isOld: false,
      isUncountable: false,
    },
    {
      containerId: 'b',
      dataBytes: 1,
      layerBytes: 0,
      dataFiles: 1,
      layerFiles: 0,
      isSized: false,
      isOld: true,
      isUncountable: true,
    },
  ]);
});

it('says nothing of a container whose folders could not be counted', () => {
  expect(readMeasures([target('a')], '0 bad\n0 v 1 1\n')).toEqual([]);
});

it('takes what an engine says of a layer that it does not show', () => {
  const one = { id: 'a', isOld: false, layerBytes: 77, folders: [{ path: '/d', kind: 'sized' as const }] };
  expect(readMeasures([one], '0 s 4096 2\n')).toMatchObject([{ layerBytes: 77, dataBytes: 4096, isSized: true }]);
});
