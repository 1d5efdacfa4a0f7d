/** A program that its image would run as root, and that the worker runs as the bots' own user: how that is remembered, and said. */
import { botUid, dataDir } from '../../../images/dockerfile.ts';
import { type ContainerLabels, labelNames } from '../../labels.ts';
import type { GivenFolder } from './work-folder.ts';

const label = 'runs_as';

/** Goes with the signature of the container: images hand their labels down, and one of them could have this one. */
const valueFor = (labels: ContainerLabels): string => `${botUid} ${(labels[labelNames.signature] ?? '').slice(0, 16)}`;

export const demotedLabels = (labels: ContainerLabels): ContainerLabels => ({ ...labels, [label]: valueFor(labels) });

export const isDemoted = (labels: ContainerLabels): boolean =>
  Object.hasOwn(labels, label) && labels[label] === valueFor(labels);

export const demotedRemark = `it runs as user ${botUid}, not as root as its image says`;

/** For the bot's user, when its container is made. */
export function demotedLine(folders: readonly GivenFolder[]): string {
  const of = (...kinds: readonly GivenFolder['given'][]) =>
    folders.filter(({ given }) => kinds.includes(given)).map(({ path }) => path);
  const own = [dataDir, ...of('whole')];
  const parts = [
    `on this worker no bot is root: it runs as user ${botUid}, to whom ${own.join(', ')} belong${own.length === 1 ? 's' : ''}`,
    ...of('folder').map((path) => `of ${path} only the folder itself, because there is too much in it`),
    ...of('not').map((path) => `it cannot write to ${path}`),
  ];
  return parts.join('; ');
}
