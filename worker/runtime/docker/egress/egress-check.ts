/**
 * The safety check `egress`: the rules of the firewall are in place, and a container like a bot's reaches nothing that it must not.
 * That Telegram cannot be reached is no danger, and is only said.
 */
import type { Check } from '#common/checks/check.ts';
import type { Firewall } from './firewall.ts';
import type { Probe } from './prove.ts';

export interface EgressCheckDeps {
  readonly firewall: Firewall;
  /** Tries it. Throws when it could not be tried. */
  readonly prove: (signal: AbortSignal) => Promise<readonly Probe[]>;
}

export async function checkEgress(
  { firewall, prove }: EgressCheckDeps,
  signal: AbortSignal,
): Promise<Omit<Check, 'name'>> {
  // It throws what the firewall says of itself below.
  await firewall.ready(signal).catch(() => signal.throwIfAborted());
  const { ok, message, hint } = firewall.check();
  if (!ok) return { ok, message, ...(hint !== undefined && { hint }) };
  const probes = await prove(signal);
  const leaks = probes.filter((probe) => !probe.ok && probe.outcome === 'reached');
  const [first] = leaks;
  if (first !== undefined) {
    firewall.doubt();
    const more = leaks.length === 1 ? '' : `, and ${leaks.length - 1} more that it must not reach`;
    return {
      ok: false,
      message: `${message} But from a container like a bot's ${first.message}${more}.`,
      hint: 'npm run doctor, on the machine of the worker, names all of them: see "Firewall" in docs/SECURITY.md.',
    };
  }
  const notReached = probes.filter((probe) => !probe.ok).map((probe) => `; ${probe.message}`);
  const refused = probes.filter((probe) => probe.ok && probe.outcome !== 'reached').length;
  return {
    ok: true,
    message: `${message} A container like a bot's reached none of ${refused} places that it must not${notReached.join('')}.`,
  };
}
