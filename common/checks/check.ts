/** One thing that was checked: whether it holds, and what the operator does if it does not. */
export interface Check<Name extends string = string> {
  readonly name: Name;
  readonly ok: boolean;
  /** One sentence: what holds, or what does not and why. For the operator: it may name what is on this machine. */
  readonly message: string;
  /** What the operator does about it. */
  readonly hint?: string;
}

/** All checks, made together. */
export interface CheckReport<Name extends string = string> {
  readonly checks: readonly Check<Name>[];
  /** Monotonic ms, when they had been made. */
  readonly atMs: number;
}

export const failedOf = <Name extends string>(checks: readonly Check<Name>[]): readonly Check<Name>[] =>
  checks.filter(({ ok }) => !ok);
