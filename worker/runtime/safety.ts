/** What keeps strangers' bots from harm, as far as it can be checked: each check has a name, and says what is wrong. */

/**
 * `runtime`: what runs bots isolates them. `egress`: the firewall holds. `isolation`: the engine enforces limits, seccomp and the
 * sandbox that it is asked for. `disk`: what a bot can write is limited.
 */
type SafetyCheckName = 'runtime' | 'egress' | 'isolation' | 'disk';

export interface SafetyCheck {
  readonly name: SafetyCheckName;
  readonly ok: boolean;
  /** One sentence: what holds, or what does not and why. */
  readonly message: string;
  /** What the operator does about it. */
  readonly hint?: string;
}
