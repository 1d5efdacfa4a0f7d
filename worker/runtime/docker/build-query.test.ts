import { expect, test } from 'vitest';
import { engineKind, stepParameters } from './build-query.ts';

test('an engine is Podman when it says so', () => {
  expect(engineKind({ Version: '4.3.1', Components: [{ Name: 'Podman Engine' }, { Name: 'Conmon' }] })).toBe('podman');
  expect(engineKind({ Version: '28.5.2', Components: [{ Name: 'Engine' }, { Name: 'containerd' }] })).toBe('docker');
  expect(engineKind({})).toBe('docker');
});

test('the bounds of a build step are passed to each engine in its own way', () => {
  const bounds = { network: 'bots', mark: 'a.invalid:127.0.0.1', ulimits: { nproc: 4096, core: 0 } };
  expect(stepParameters('docker', bounds)).toEqual({
    networkmode: 'bots',
    extrahosts: 'a.invalid:127.0.0.1',
    ulimits: '[{"Name":"nproc","Soft":4096,"Hard":4096},{"Name":"core","Soft":0,"Hard":0}]',
  });
  expect(stepParameters('podman', bounds)).toEqual({
    nsoptions: '[{"Name":"network","Host":false,"Path":"bots"}]',
    extrahosts: '["a.invalid:127.0.0.1"]',
    ulimits: '["nproc=4096:4096","core=0:0"]',
  });
});
