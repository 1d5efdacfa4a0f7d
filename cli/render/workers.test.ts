import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { WorkerSchema } from '#gen/botrunner/v1/admin_service_pb.js';
import { renderWorkers } from './workers.ts';

it.each([
  ['docker', 'docker 20.10.24', 'docker 20.10.24'],
  ['docker', 'podman 5.4.2', 'podman 5.4.2'],
  ['docker', '20.10.24', 'docker 20.10.24'],
  ['process', 'processes, Node 24.21.0, Python 3.11.2', 'processes, Node 24.21.0, Python 3.11.2'],
  ['docker', '', 'docker'],
  ['rest', '', 'rest'],
])('a worker with the runtime %s and the engine %j is shown with %j', (runtime, engineVersion, shown) => {
  const table = renderWorkers([create(WorkerSchema, { workerId: 'w', runtime, engineVersion })]);
  const [head = '', row = ''] = table.split('\n');
  const column = row.slice(head.indexOf('RUNTIME'), head.indexOf('VERSION'));
  expect(column.trimEnd()).toBe(shown);
});
