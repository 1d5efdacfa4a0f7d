/** Images in a test's registry. */
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { createEngineClient } from '../../worker/runtime/docker/engine-client.ts';
import { hasStatus } from '../../worker/runtime/docker/engine-errors.ts';
import type { TestRegistry } from '../kit/registry/registry.ts';
import type { TestDocker } from '../kit/test-docker.ts';
import { rawEngine } from './docker-harness.ts';
import { patience } from './harness.ts';

/** Pushes an image of the engine under a name. */
export async function push(
  docker: TestDocker,
  registry: TestRegistry,
  repo: string,
  tags: readonly string[],
  image = 'busybox:stable',
): Promise<void> {
  const engine = rawEngine(docker);
  const client = createEngineClient(docker.host);
  const { username, password, address } = registry;
  for (const tag of tags) {
    await engine.post(`/images/${image}/tag`, { repo, tag });
    const registryAuth = { username, password, serveraddress: address };
    const path = `/images/${repo}/push`;
    const answer = await client.stream({ method: 'POST', path, query: { tag }, registryAuth }, patience());
    let report = '';
    for await (const chunk of answer) report += String(chunk);
    if (report.includes('"error"')) throw new Error(`the push failed: ${report}`);
  }
}

/** Takes all names of a repository off the engine; the image keeps its other ones. */
export async function forgetImages(docker: TestDocker, repository: string): Promise<void> {
  const engine = rawEngine(docker);
  const images = list(await engine.get('/images/json', { filters: { reference: [repository] } })).map(record);
  for (const { RepoTags, RepoDigests } of images) {
    for (const name of [...list(RepoTags), ...list(RepoDigests)].map(text)) {
      if (!name.startsWith(repository) || name.includes('<none>')) continue;
      // The digests of a repository go with its last tag.
      await engine.remove(`/images/${name}`, { noprune: true }).catch((error: unknown) => {
        if (!hasStatus(error, 404)) throw error;
      });
    }
  }
}
