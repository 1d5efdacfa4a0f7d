/** The containers of bots that an engine has, as its list shows them. */

import type { ContainerFacts } from '../container-runtime.ts';
import { type ContainerLabels, labelNames } from '../labels.ts';
import { ownIdentity } from '../strays.ts';
import { list, record, text, texts } from './answers.ts';
import { type ContainerDeps, inspectContainer } from './containers.ts';

const inspectsAtOnce = 4;

export interface ListedContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: ContainerLabels;
  readonly running: boolean;
}

/** Containers of bots of whatever worker, as the engine's list has them. */
export async function listMarked({ engine }: ContainerDeps, signal: AbortSignal): Promise<readonly ListedContainer[]> {
  const query = { all: true, filters: { label: [`${labelNames.marker}=true`] } };
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal)).map(record);
  return found.map((container) => ({
    id: text(container['Id']),
    // One of its names has no further slash; the others are links of other containers to it.
    name: (
      list(container['Names'])
        .map(text)
        .find((name) => name.lastIndexOf('/') === 0) ?? ''
    ).slice(1),
    labels: texts(container['Labels']),
    running: ['running', 'paused', 'restarting'].includes(text(container['State'])),
  }));
}

/** ContainerLabels come with the engine's list; what else there is to know takes a look at each. */
export async function listContainers(deps: ContainerDeps, signal: AbortSignal): Promise<readonly ContainerFacts[]> {
  const { owner } = deps;
  const found = await listMarked(deps, signal);
  const ids = found.filter((container) => ownIdentity(owner, container)).map(({ id }) => id);
  const facts: ContainerFacts[] = [];
  const worker = async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      // Undefined for a forged one, and for one that was removed since.
      const one = await inspectContainer(deps, id, signal);
      if (one) facts.push(one);
    }
  };
  const listed = new Set(ids);
  await Promise.all(Array.from({ length: inspectsAtOnce }, worker));
  for (const { id } of facts) listed.add(id);
  deps.known.retain(listed);
  return facts;
}
