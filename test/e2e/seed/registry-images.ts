/** Images of a private registry for tests: put there from the engine, and taken off the engine again. */
import { createEngineClient } from '../../../worker/runtime/docker/engine-client.ts';
import { callEngine } from '../../kit/private-engine/engine-api.ts';
import type { TestRegistry } from '../../kit/registry/registry.ts';

/** Pushes an image that the engine has as `ADDRESS/REPOSITORY:TAG`, and forgets it on the engine. Returns that name. */
export async function putIntoRegistry(
  dockerHost: string,
  registry: TestRegistry,
  image: string,
  repository: string,
  tag: string,
): Promise<string> {
  const { address, username, password } = registry;
  const repo = `${address}/${repository}`;
  await called(dockerHost, 'POST', `/images/${image}/tag?${new URLSearchParams({ repo, tag })}`);
  const answer = await createEngineClient(dockerHost).stream(
    {
      method: 'POST',
      path: `/images/${repo}/push`,
      query: { tag },
      registryAuth: { username, password, serveraddress: address },
    },
    AbortSignal.timeout(60_000),
  );
  let report = '';
  for await (const chunk of answer) report += String(chunk);
  if (report.includes('"error"')) throw new Error(`the push failed: ${report}`);
  await forgetImage(dockerHost, `${repo}:${tag}`);
  return `${repo}:${tag}`;
}

/** Takes a name off the engine; the image keeps its other ones. */
export const forgetImage = (dockerHost: string, name: string): Promise<void> =>
  called(dockerHost, 'DELETE', `/images/${name}?noprune=true`);

async function called(dockerHost: string, method: string, path: string): Promise<void> {
  const { status, text } = await callEngine(dockerHost, path, { method });
  if (status >= 400 && status !== 404) throw new Error(`${method} ${path}: ${status} ${text}`);
}
