/**
 * What this process knows of its own containers and need not ask again: labels and program of a container never change. A
 * container gets in only when its signature was seen to be valid, or when it was made here.
 */

export interface KnownContainer {
  /** All is in it that `create` puts there. False for one that never ran and was not seen to be made whole. */
  readonly isWhole: boolean;
  /** It does not run a shell, which would keep a signal from the bot. */
  readonly isPlain: boolean;
  /** Whose bot it is. */
  readonly userId: string;
  /** The volume of its /data. */
  readonly volume: string;
  /**
   * Whether the engine's word is enough that it does not run (lost-runs.ts): it was made here, or seen to run since. False for one that
   * another process has left, and from a start without a clear answer on.
   */
  readonly isSure: boolean;
}

export interface KnownContainers {
  get(id: string): KnownContainer | undefined;
  set(id: string, known: KnownContainer): void;
  /** Whether what the engine says of its running can be relied on from now on. */
  setSure(id: string, isSure: boolean): void;
  forget(id: string): void;
  /** Forgets all but these. */
  retain(ids: ReadonlySet<string>): void;
}

export function createKnownContainers(): KnownContainers {
  const known = new Map<string, KnownContainer>();
  return {
    get: (id) => known.get(id),
    set(id, container) {
      known.set(id, container);
    },
    setSure(id, isSure) {
      const container = known.get(id);
      if (container !== undefined) known.set(id, { ...container, isSure });
    },
    forget(id) {
      known.delete(id);
    },
    retain(ids) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    },
  };
}

/** Whether a program, as it was given to the engine, is one of those that simple mode runs, and so no shell. Pure. */
export const isPlainProgram = (program: string): boolean =>
  /^(?:python(?:\d(?:\.\d{1,3})?)?|node)$/.test(program.slice(program.lastIndexOf('/') + 1));
