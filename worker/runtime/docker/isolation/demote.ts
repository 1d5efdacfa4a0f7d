/** Makes a program that its image would run as root able to work as another user. */
import { dataDir } from '../../../images/dockerfile.ts';
import type { ContainerPlan } from '../../container-runtime.ts';
import { foldersOfRoot, type ImageFacts, imageVolumePaths } from '../container-options.ts';
import type { FolderOwner, HandOverDeps } from '../hand-over.ts';
import { demotedLine } from './demotion.ts';
import { giveImageVolumes } from './image-volumes.ts';
import { giveFolders, type WorkFolderDeps } from './work-folder.ts';

/**
 * In a created container, what root could write to without owning it becomes the user's own: the folders that the program works in, and
 * the volumes of its image. Returns the line that says so.
 */
export async function demote(
  deps: HandOverDeps & WorkFolderDeps,
  id: string,
  { plan, image }: { readonly plan: ContainerPlan; readonly image: ImageFacts },
  user: FolderOwner,
  signal: AbortSignal,
): Promise<string> {
  const volumes = imageVolumePaths(image.volumes);
  await giveImageVolumes(deps, { id, plan, volumes }, user, signal);
  const folders = foldersOfRoot(plan, image).filter((path) => !isWithin(path, [dataDir, ...volumes]));
  // Nobody can write to them on a root file system that is read-only.
  const given = plan.readOnly ? [] : await giveFolders(deps, id, folders, user, signal);
  return demotedLine([...given, ...volumes.map((path) => ({ path, given: 'whole' as const }))]);
}

const isWithin = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
