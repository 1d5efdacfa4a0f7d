/** The stages of a Dockerfile as they begin one after another, and what a name means in one of them. Pure. */

/** What COPY --from or a mount names: a stage that began before, as the builder gets it, or an image. */
export type Origin = { readonly kind: 'stage'; readonly text: string } | { readonly kind: 'image' };

export interface Stages {
  /** How many have begun. */
  readonly count: number;
  /** False when there is one of that name already. */
  begin(name: string | undefined): boolean;
  /** Whether it is the name of a stage that has begun, or the empty image. */
  isBase(name: string): boolean;
  /** Undefined for a number or name that no stage before the present one has. */
  originOf(name: string): Origin | undefined;
}

export function createStages(): Stages {
  /** By their names in lower case. */
  const numbers = new Map<string, number>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    begin(name) {
      count += 1;
      if (name === undefined) return true;
      const isNew = !numbers.has(name.toLowerCase());
      numbers.set(name.toLowerCase(), count - 1);
      return isNew;
    },
    isBase: (name) => name.toLowerCase() === 'scratch' || numbers.has(name.toLowerCase()),
    originOf(name) {
      const present = count - 1;
      // Engines take a number that is too long for a part of an image's id.
      if (/^\d+$/.test(name)) return Number(name) < present ? { kind: 'stage', text: String(Number(name)) } : undefined;
      const number = numbers.get(name.toLowerCase());
      if (number === undefined) return { kind: 'image' };
      return number < present ? { kind: 'stage', text: name.toLowerCase() } : undefined;
    },
  };
}
