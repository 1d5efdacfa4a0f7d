/** A batch as a workspace has it after its works. */
import type { Batch, Guard, Loaded } from './backend.ts';
import { createWorkspace, type Workspace } from './workspace/workspace.ts';

/** Nothing is there but what is loaded. */
const onDemand = { isWhole: () => false, isKept: () => false };

/** A workspace for one batch or one look. */
export function workspaceOf({ wants, lastSeq }: Loaded): Workspace {
  const workspace = createWorkspace(onDemand, lastSeq);
  for (const { want, rows } of wants) workspace.take(want, rows);
  return workspace;
}

/** `versions`: as they were loaded; none for a workspace whose guards are always true. */
export function batchOf(workspace: Workspace, id: string, versions: ReadonlyMap<string, number>): Batch {
  return {
    id,
    guards: () => [...workspace.loading.touched.keys()].map((key): Guard => ({ key, version: versions.get(key) ?? 0 })),
    moved: () => workspace.moved(),
    rows: workspace.rows,
    chunks: workspace.chunks(),
    events: workspace.added(),
    afterSeq: workspace.afterSeq(),
  };
}
