/** What a work gets from outside the store. A work may run again: it gets the same each time. */
export interface InputSources {
  /** Wall time, ms. */
  readonly wallMs: () => number;
  readonly newId: () => string;
  /** An id of an event of that time. */
  readonly eventId: (wallMs: number) => string;
}

export interface Inputs {
  /** Wall time of the change, ms. */
  readonly now: number;
  readonly newId: () => string;
  readonly newEventId: () => string;
}

/** A function to call at the beginning of each run. Nothing is fetched before the first. */
export function createInputs({ wallMs, newId, eventId }: InputSources): () => Inputs {
  let now: number | undefined;
  const ids: string[] = [];
  const eventIds: string[] = [];
  return () => {
    const time = now ?? wallMs();
    now = time;
    return { now: time, newId: replayed(ids, newId), newEventId: replayed(eventIds, () => eventId(time)) };
  };
}

/** The ids that were drawn before, then new ones. */
function replayed(drawn: string[], draw: () => string): () => string {
  let next = 0;
  return () => {
    const at = next++;
    const value = drawn[at] ?? draw();
    drawn[at] = value;
    return value;
  };
}
