/**
 * The firewall of a worker: made before the first bot or build has a network, and checked again every minute for as long as
 * the engine answers. The rules are the kernel's: a worker that ends, or an engine that restarts, leaves them in place.
 *
 * 1. `ready` resolves only when the rules were seen to hold within the last two minutes, or when there are to be none.
 * 2. Rules are replaced as a whole: there is no moment without them.
 * 3. Where they cannot be made, one line says why. If EGRESS is set explicitly, starts are then refused; otherwise bots
 *    start without a firewall.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { problem } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { asFailure } from '../../../failures/chances.ts';
import type { SafetyCheck } from '../../safety.ts';
import type { EgressSetting } from './egress-setting.ts';
import { placeText } from './places.ts';
import { isProber } from './probers.ts';
import { parseRefused, type Refused } from './refused.ts';

export type Holding =
  | {
      readonly holds: true;
      /** What the kernel has refused, as nft shows it. */
      readonly refused: string;
      /** They were gone and are there again. */
      readonly wereGone: boolean;
    }
  | {
      readonly holds: false;
      readonly why: string;
      /** The engine refused what it may do a moment later. */
      readonly mayPass?: boolean;
    };

/** Puts the rules in place. Rejects when the engine does not answer. */
export type SetRules = (setting: EgressSetting, signal: AbortSignal) => Promise<Holding>;

export interface Firewall {
  /** Call it before anything gets a network. CONTAINER_ERROR when rules that were asked for cannot be made; transient if that may pass. */
  ready(signal: AbortSignal): Promise<void>;
  /** The engine answers: checks the rules again when the last time is a minute ago. Never rejects. */
  engineAnswers(): void;
  /** The engine was away, and may be another machine's now. */
  engineAway(): void;
  /** A container reached what it must not, whatever the rules look like: they are set anew before the next one starts. */
  doubt(): void;
  check(): SafetyCheck;
}

export interface FirewallOptions {
  /** Undefined: `internet` where it can be made. */
  readonly setting: EgressSetting | undefined;
  readonly setRules: SetRules;
  /** Who owns a bridge, for the log. */
  readonly ownerOf: (bridge: string) => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

const freshMs = 120_000;
/** What may pass is asked again this much later by whoever cannot do without. */
const passingMs = 2000;
const checkEveryMs = 60_000;
const setMs = 60_000;

type State =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'holds'; readonly atMs: number }
  | { readonly kind: 'impossible'; readonly atMs: number; readonly why: string; readonly mayPass: boolean };

const defaultEgress: EgressSetting = { kind: 'filtered', internet: true, allow: [] };

export function createFirewall(options: FirewallOptions): Firewall {
  const { setting = defaultEgress, setRules, clock, logger } = options;
  const isAskedFor = options.setting !== undefined && setting.kind === 'filtered';
  const report = createRefusalReport(options);
  let state: State = { kind: 'unknown' };
  let said = '';
  let running: Promise<void> | undefined;
  let absences = 0;

  const say = (text: string, isGood: boolean) => {
    if (said === text) return;
    said = text;
    if (isGood) logger.info({ egress: shown(setting) }, text);
    else logger.warn({ egress: shown(setting) }, text);
  };
  const set = async () => {
    const absencesBefore = absences;
    const found = await withTimeLimit(clock, 'setting the firewall', setMs, undefined, (signal) =>
      setRules(setting, signal),
    );
    // What was seen of an engine before it went away says nothing of the one that came back.
    if (absences !== absencesBefore) return;
    const atMs = clock.monotonicMs();
    if (found.holds) {
      if (found.wereGone && state.kind === 'holds') {
        logger.warn({}, 'the rules of the firewall were gone: somebody has removed them; they are there again');
      }
      state = { kind: 'holds', atMs };
      if (setting.kind === 'open') say('bots and builds can reach whatever this host can: EGRESS=open', true);
      else say('a firewall bounds what bots and builds can reach', true);
      report(parseRefused(found.refused));
      return;
    }
    state = { kind: 'impossible', atMs, why: found.why, mayPass: found.mayPass === true };
    const rest = isAskedFor ? 'no bot is started' : 'bots and builds can reach whatever this host can';
    say(`there is no firewall for bots, because ${found.why}: ${rest}`, false);
  };
  /** One at a time; everyone who asks meanwhile waits for it. */
  const setOnce = (): Promise<void> => {
    if (running !== undefined) return running;
    const mine = set().finally(() => {
      if (running === mine) running = undefined;
    });
    running = mine;
    return mine;
  };
  const ageMs = () => {
    // Nobody else has rules of this worker that would have to be taken away again.
    if (setting.kind === 'open' && state.kind === 'holds') return 0;
    return state.kind === 'unknown' ? Number.POSITIVE_INFINITY : clock.monotonicMs() - state.atMs;
  };
  const goodForMs = () => (isAskedFor && state.kind === 'impossible' && state.mayPass ? passingMs : freshMs);
  const hint = 'The operator can install what is missing, or set EGRESS=open: see "Firewall" in docs/SECURITY.md.';

  return {
    async ready(signal) {
      signal.throwIfAborted();
      // Again when the engine was away meanwhile.
      while (ageMs() > goodForMs()) await orAbort(signal, setOnce());
      if (state.kind === 'impossible' && isAskedFor) {
        const message = `The worker has no firewall for bots, because ${state.why}.`;
        throw asFailure(problem('CONTAINER_ERROR', message, { hint }), state.mayPass ? 'again' : 'final');
      }
    },
    engineAnswers() {
      if (ageMs() < checkEveryMs) return;
      setOnce().catch((error: unknown) => logger.debug({ err: error }, 'the firewall could not be checked'));
    },
    engineAway() {
      state = { kind: 'unknown' };
      running = undefined;
      absences += 1;
    },
    doubt() {
      state = { kind: 'unknown' };
    },
    check() {
      switch (state.kind) {
        case 'unknown':
          return { name: 'egress', ok: false, message: 'The firewall has not been checked yet.' };
        case 'impossible':
          return { name: 'egress', ok: false, message: `There is no firewall, because ${state.why}.`, hint };
        case 'holds':
          return setting.kind === 'open'
            ? {
                name: 'egress',
                ok: false,
                message: 'EGRESS=open lets bots and builds reach whatever the host can.',
                hint: 'Set EGRESS=internet, or allow: and a list.',
              }
            : { name: 'egress', ok: true, message: `The rules hold: EGRESS=${shown(setting)}.` };
      }
    },
  };
}

export function shown(setting: EgressSetting): string {
  if (setting.kind === 'open') return 'open';
  const words = [...(setting.internet ? ['internet'] : []), ...setting.allow.map(placeText)];
  return setting.internet && setting.allow.length === 0 ? 'internet' : `allow:${words.join(',')}`;
}

const reportedMax = 2000;
const linesMax = 20;

/** Says each place that a user's bots were refused once, so that an operator learns what they need. */
function createRefusalReport({ ownerOf, logger }: FirewallOptions) {
  const reported = new Set<string>();
  return (refused: readonly Refused[]): void => {
    const fresh = refused.flatMap(({ bridge, address, port }) => {
      const user = ownerOf(bridge) ?? 'unknown';
      // It asks for what nobody needs.
      if (isProber(user)) return [];
      const place = `${address}:${port}`;
      const key = `${user} ${place}`;
      if (reported.has(key)) return [];
      reported.add(key);
      return [{ user, place }];
    });
    // A scan must not fill the memory or the log.
    for (const key of reported) {
      if (reported.size <= reportedMax) break;
      reported.delete(key);
    }
    for (const { user, place } of fresh.slice(0, linesMax)) {
      logger.warn(
        { user, place },
        'the firewall refused a connection of a bot or a build: add the place to EGRESS if it is needed',
      );
    }
    if (fresh.length > linesMax) logger.warn({ more: fresh.length - linesMax }, 'the firewall refused more places');
  };
}
