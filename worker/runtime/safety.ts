/** What keeps strangers' bots from harm, as far as it can be checked: each check has a name, and says what is wrong. */

/**
 * `runtime`: what runs bots isolates them. `egress`: the firewall holds. `builder`: builds run apart from bots' images. `disk`: what a
 * bot can write is limited. `isolation`: the engine enforces limits, seccomp and the sandbox that it is asked for. `tokens`, `tls`:
 * the worker's own settings. With STRANGERS=1 each has to hold before the worker makes a container.
 */
type SafetyCheckName = 'runtime' | 'egress' | 'builder' | 'disk' | 'isolation' | 'tokens' | 'tls';

export interface SafetyCheck {
  readonly name: SafetyCheckName;
  readonly ok: boolean;
  /** One sentence: what holds, or what does not and why. */
  readonly message: string;
  /** What the operator does about it. */
  readonly hint?: string;
}
