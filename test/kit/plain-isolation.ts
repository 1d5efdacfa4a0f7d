/** For tests of what has to do with containers and nothing with how they are kept apart: nothing is changed for that. */
import type { ContainerDeps } from '../../worker/runtime/docker/containers.ts';

export const plainIsolation: Pick<ContainerDeps, 'isolation' | 'codeImages' | 'spoolDir'> = {
  isolation: {
    confinement: async () => ({ runtimeClass: undefined, noRoot: false }),
    assertPossible: async () => {},
    ownImage: async () => undefined,
  },
  codeImages: { need: async () => {} },
  spoolDir: '/nonexistent',
};
