import { afterAll, describe, inject } from 'vitest';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, rawEngine, removeAllOf } from './docker-harness.ts';
import { describeOwnFiles } from './own-files.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('the docker runtime', () => {
  const network = 'contract_own_files';
  const userId = 'own-files';
  const workerId = 'worker-o';
  afterAll(() => removeAllOf(rawEngine(docker), userId, network));
  const runtime = (buildSettings: Parameters<typeof dockerRuntime>[1]['buildSettings'] & object) =>
    dockerRuntime(docker, { network, workerId, buildSettings });
  describeOwnFiles({ host: () => docker.hostAddress, runtime, userId, workerId });
});
