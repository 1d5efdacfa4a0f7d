/** The volumes of an image's VOLUME instructions, for a program that its image would run as root and that runs as another user. */
import { imageVolumeName } from '#common/ids.ts';
import type { ContainerPlan } from '../../container-runtime.ts';
import { type FolderOwner, giveVolume, type HandOverDeps, handOver } from '../hand-over.ts';
import { readArchive } from '../read-archive.ts';

/** The volumes of a created container that are another's become the user's own, with all that is in them. */
export async function giveImageVolumes(
  deps: HandOverDeps,
  { id, plan, volumes }: { readonly id: string; readonly plan: ContainerPlan; readonly volumes: readonly string[] },
  owner: FolderOwner,
  signal: AbortSignal,
): Promise<void> {
  const others: { readonly name: string; readonly at: string; readonly mode: number; readonly isEmpty: boolean }[] = [];
  for (const path of volumes) {
    let folder: { readonly uid: number; readonly mode: number } | undefined;
    let entries = 0;
    await readArchive(deps.engine, id, path, signal, async ({ uid = 0, mode = 0o755 }) => {
      folder ??= { uid, mode };
      entries += 1;
      return entries < 2;
    });
    if (folder === undefined || folder.uid === owner.uid) continue;
    others.push({
      name: imageVolumeName(plan.key, path),
      // Not at its own path, which may be one that the helper's own programs are in.
      at: `/given-${others.length}`,
      mode: folder.mode,
      isEmpty: entries < 2,
    });
  }
  const full = others.filter(({ isEmpty }) => !isEmpty);
  // What is in them first: an interrupted change is started over as long as the folder itself is another's.
  if (full.length > 0) await handOver(deps, plan, owner, full, signal);
  for (const { mode, ...volume } of others) await giveVolume(deps, plan, owner, volume, mode, signal);
}
