/** A firewall without rules, for tests of the code that needs one. */
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { createFirewall, type Firewall } from '../../worker/runtime/docker/egress/firewall.ts';

export const openFirewall = (): Firewall =>
  createFirewall({
    setting: { kind: 'open' },
    setRules: async () => ({ holds: true, refused: '', wereGone: false }),
    ownerOf: () => undefined,
    clock: systemClock,
    logger: silentLogger,
  });
