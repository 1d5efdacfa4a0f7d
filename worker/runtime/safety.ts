/** What keeps strangers' bots from doing harm, as far as it can be checked: each check has a name, and says what is wrong. */
import type { Check } from '#common/checks/check.ts';

/**
 * `runtime`: what runs bots isolates them. `egress`: the firewall holds. `builder`: builds run apart from bots' images. `disk`: what a
 * bot can write is limited. `isolation`: the engine enforces limits, seccomp and the sandbox that it is asked for. `tokens`, `tls`:
 * the worker's own settings. With STRANGERS=1 each has to hold before the worker makes a container.
 */
export type SafetyCheckName = 'runtime' | 'egress' | 'builder' | 'disk' | 'isolation' | 'tokens' | 'tls';

export type SafetyCheck = Check<SafetyCheckName>;
