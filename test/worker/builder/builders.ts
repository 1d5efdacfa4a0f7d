/** Looks at the builders of a worker, past the worker. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { list, record, text, texts } from '../../../worker/runtime/docker/answers.ts';
import { builderLabels } from '../../../worker/runtime/docker/builder/builder-container.ts';
import { openExec } from '../../../worker/runtime/docker/builder/exec-stream.ts';
import { parseDockerHost } from '../../../worker/runtime/docker/docker-host.ts';
import { createEngineClient } from '../../../worker/runtime/docker/engine-client.ts';
import type { RawEngine } from '../../contract/docker-harness.ts';
import { patience } from '../../contract/harness.ts';

/** Ids of the containers that run. */
export async function buildersOf(engine: RawEngine, workerId: string, userId: string): Promise<readonly string[]> {
  const filters = { label: [`${builderLabels.workerId}=${workerId}`] };
  const found = list(await engine.get('/containers/json', { filters })).map(record);
  return found.filter(({ Labels }) => texts(Labels)[builderLabels.userId] === userId).map(({ Id }) => text(Id));
}

/** What docker prints that is run in the container of a builder, with its engine. */
export async function inBuilder(dockerHost: string, containerId: string, args: readonly string[]): Promise<string> {
  const address = parseDockerHost(dockerHost);
  if (address === undefined) throw new Error(`${dockerHost} is no address of an engine`);
  const command = ['docker', '-H', 'unix:///run/bot-runner/docker.sock', ...args];
  const engine = createEngineClient(dockerHost);
  const stream = await openExec({ engine, address, containerId, command }, patience());
  stream.end();
  return (await buffer(stream)).toString().trim();
}

/** The folder on the engine's machine in which a user's builder keeps its disk. */
export async function storeOf(engine: RawEngine, workerId: string, userId: string): Promise<string> {
  const filters = { label: [`${builderLabels.workerId}=${workerId}`, `${builderLabels.userId}=${userId}`] };
  const [volume] = list(record(await engine.get('/volumes', { filters }))['Volumes']).map(record);
  return text(volume?.['Mountpoint']);
}

/** Makes a file system unreadable. */
export function damage(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(1024 * 1024), 0, 1024 * 1024, 0);
  closeSync(file);
}
