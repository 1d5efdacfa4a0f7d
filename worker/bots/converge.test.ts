import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Container, nextStep, type Settled, type Situation } from './converge.ts';
import type { DesiredBot, DesiredKind } from './desired.ts';

const desire = (kind: DesiredKind, revision = 2n): DesiredBot => ({
  kind,
  revision,
  epoch: 1n,
  generation: revision,
  stopGraceMs: 10,
});

const container = (status: Container['status'], revision = 2n, settled?: Settled): Container => ({
  status,
  revision,
  settled,
});

const situation = (part: Partial<Situation>): Situation => ({
  nowMs: 1000,
  desired: desire('running'),
  container: 'none',
  stray: undefined,
  imageReady: false,
  preparing: undefined,
  specKnown: true,
  failed: false,
  startAgain: false,
  restart: false,
  outdated: undefined,
  watchUntilMs: undefined,
  pausedUntilMs: undefined,
  cleaned: false,
  gate: 'open',
  ...part,
});

const exited: Settled = { kind: 'exited' };
const crashed = (retryAtMs: number): Settled => ({ kind: 'crash_loop', retryAtMs });
const rest = { kind: 'rest' };

describe('the next step', () => {
  it.each<[string, Partial<Situation>, object]>([
    ['looks first', { container: 'unknown' }, { kind: 'look' }],
    [
      'waits out a pause before anything else',
      { container: 'unknown', pausedUntilMs: 1500 },
      { ...rest, untilMs: 1500 },
    ],
    ['does nothing about a bot that nobody asked for', { desired: undefined }, rest],
    ['makes the image', {}, { kind: 'prepare' }],
    ['makes none while it is not known to be safe', { gate: 'waits' }, rest],
    ['nor a container', { gate: 'waits', imageReady: true }, rest],
    ['and starts none for the first time', { gate: 'closed', container: container('created') }, rest],
    [
      'leaves what runs alone, though a newer one is ready',
      { gate: 'waits', imageReady: true, container: container('running', 1n) },
      rest,
    ],
    [
      'starts what crashed again, whatever the gate',
      { gate: 'closed', container: container('ended', 2n, crashed(900)) },
      { kind: 'start', again: true },
    ],
    [
      'restarts what needs no new container, whatever the gate',
      { gate: 'closed', restart: true, outdated: false, container: container('running') },
      { kind: 'stop' },
    ],
    [
      'does not stop one that a restart would have to replace',
      { gate: 'closed', restart: true, outdated: true, imageReady: true, container: container('running') },
      rest,
    ],
    ['lets an image be finished while it waits', { gate: 'waits', preparing: 2n }, rest],
    ['gives it up when the gate is closed', { gate: 'closed', preparing: 2n }, { kind: 'cancel-prepare' }],
    [
      'stops a bot whatever the gate',
      { gate: 'closed', desired: desire('stopped'), container: container('running') },
      { kind: 'stop' },
    ],
    ['makes nothing beside a container that is not its own', { stray: 'running', imageReady: true }, rest],
    ['not even beside one that has ended', { stray: 'ended' }, rest],
    ['and removes nothing', { stray: 'running', desired: desire('removed') }, rest],
    ['waits before it makes the image again', { makeAgainAtMs: 1500 }, { ...rest, untilMs: 1500 }],
    ['makes the image again then', { makeAgainAtMs: 1000 }, { kind: 'prepare' }],
    [
      'supervises what runs meanwhile',
      { makeAgainAtMs: 1500, container: container('ended', 1n, crashed(900)) },
      { kind: 'start', again: true },
    ],
    ['waits for the image', { preparing: 2n }, rest],
    ['waits for the spec', { specKnown: false }, rest],
    ['creates once the image is ready', { imageReady: true }, { kind: 'create' }],
    ['starts what is created', { container: container('created') }, { kind: 'start', again: false }],
    ['leaves a running bot alone', { container: container('running') }, rest],
    ['looks again when the watch is over', { container: container('running'), watchUntilMs: 1200 }, { untilMs: 1200 }],
    ['asks the policy about an end', { container: container('ended') }, { kind: 'settle' }],
    ['leaves an exited bot alone', { container: container('ended', 2n, exited) }, rest],
    [
      'starts an exited bot when a user asks',
      { container: container('ended', 2n, exited), startAgain: true },
      { again: false },
    ],
    [
      'starts again what was ended for that, without asking the policy',
      { container: container('ended'), startAgain: true },
      { kind: 'start', again: false },
    ],
    [
      'compares before a restart',
      { container: container('running'), restart: true, startAgain: true },
      { kind: 'compare' },
    ],
    [
      'restarts without comparing while the spec is not known',
      { container: container('running'), restart: true, startAgain: true, specKnown: false },
      { kind: 'stop' },
    ],
    [
      'stops what is to be restarted',
      { container: container('running'), restart: true, startAgain: true, outdated: false },
      { kind: 'stop' },
    ],
    [
      'starts it then in the same container',
      { container: container('ended'), restart: true, startAgain: true, outdated: false },
      { kind: 'start', again: false },
    ],
    [
      'makes sure of the image before it replaces a container that is outdated',
      { container: container('running'), restart: true, startAgain: true, outdated: true },
      { kind: 'prepare' },
    ],
    [
      'continues making sure of it',
      { container: container('running'), restart: true, startAgain: true, outdated: true, preparing: 2n },
      rest,
    ],
    [
      'stops an outdated container then',
      { container: container('running'), restart: true, startAgain: true, outdated: true, imageReady: true },
      { kind: 'stop' },
    ],
    [
      'and removes it',
      { container: container('ended'), restart: true, startAgain: true, outdated: true, imageReady: true },
      { kind: 'remove' },
    ],
    ['waits out the backoff', { container: container('ended', 2n, crashed(5000)) }, { ...rest, untilMs: 5000 }],
    ['then starts again', { container: container('ended', 2n, crashed(1000)) }, { kind: 'start', again: true }],
    ['does not try a failed revision again', { failed: true }, rest],
    ['removes what could not be started', { failed: true, container: container('created') }, { kind: 'remove' }],
    ['keeps the old version until the image is ready', { container: container('running', 1n), preparing: 2n }, rest],
    ['keeps the old version when the update failed', { container: container('running', 1n), failed: true }, rest],
    [
      'keeps the old version going while building',
      { container: container('ended', 1n, crashed(9)), preparing: 2n },
      { again: true },
    ],
    ['stops the old version then', { container: container('running', 1n), imageReady: true }, { kind: 'stop' }],
    ['removes it after', { container: container('ended', 1n), imageReady: true }, { kind: 'remove' }],
    [
      'cancels a build for a bot that should stop',
      { desired: desire('stopped'), preparing: 2n },
      { kind: 'cancel-prepare' },
    ],
    ['cancels a build of another revision', { preparing: 1n }, { kind: 'cancel-prepare' }],
    ['stops', { desired: desire('stopped'), container: container('running') }, { kind: 'stop' }],
    ['removes what is stopped', { desired: desire('stopped'), container: container('ended') }, { kind: 'remove' }],
    [
      'never starts what should be stopped',
      { desired: desire('stopped'), container: container('created') },
      { kind: 'remove' },
    ],
    ['is done when nothing is left', { desired: desire('stopped') }, rest],
    ['cleans up after a removed bot', { desired: desire('removed') }, { kind: 'clean' }],
    ['and is done then', { desired: desire('removed'), cleaned: true }, rest],
    ['supervises an adopted bot', { desired: undefined, container: container('ended') }, { kind: 'settle' }],
  ])('%s', (_what, part, step) => {
    expect(nextStep(situation(part))).toMatchObject(step);
  });
});

/** A small world that steps change as an engine would, and that also changes on its own. */
interface World {
  readonly containers: { revision: bigint; status: Container['status']; settled: Settled | undefined }[];
  readonly images: Set<bigint>;
  readonly badImages: ReadonlySet<bigint>;
  desired: DesiredBot;
  preparing: bigint | undefined;
  failed: boolean;
  known: boolean;
  cleaned: boolean;
  started: bigint[];
  nowMs: number;
}

function seen(world: World): Situation {
  const existing = world.containers[0];
  return situation({
    nowMs: world.nowMs,
    desired: world.desired,
    container: world.known ? (existing ?? 'none') : 'unknown',
    imageReady: world.images.has(world.desired.revision),
    preparing: world.preparing,
    failed: world.failed,
    cleaned: world.cleaned,
  });
}

/** `lost`: the step takes effect, but nobody learns of it. Returns false for a rest. */
function act(world: World, lost: boolean): boolean {
  const step = nextStep(seen(world));
  const existing = world.containers[0];
  const { revision } = world.desired;
  switch (step.kind) {
    case 'rest':
      return false;
    case 'look':
      world.known = true;
      return true;
    case 'prepare':
      world.preparing = revision;
      return true;
    case 'cancel-prepare':
      world.preparing = undefined;
      return true;
    case 'settle':
      if (existing) existing.settled = { kind: 'crash_loop', retryAtMs: world.nowMs };
      break;
    case 'stop':
      if (existing) Object.assign(existing, { status: 'ended', settled: undefined });
      break;
    case 'remove':
      world.containers.shift();
      break;
    case 'create':
      // The engine's names are unique; the invariant is that nobody relies on that here.
      world.containers.push({ revision, status: 'created', settled: undefined });
      break;
    case 'start':
      if (existing) Object.assign(existing, { status: 'running', settled: undefined });
      world.started.push(world.desired.kind === 'running' ? 1n : 0n);
      break;
    case 'clean':
      world.images.clear();
      world.cleaned = true;
      break;
  }
  if (lost) world.known = false;
  return true;
}

function endBuild(world: World): void {
  if (world.preparing === undefined) return;
  if (world.badImages.has(world.preparing)) world.failed = world.preparing === world.desired.revision;
  else world.images.add(world.preparing);
  world.preparing = undefined;
}

type Happening = 'step' | 'lost-step' | 'build-ends' | 'dies' | 'forgets' | { readonly desire: DesiredKind };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Happening>('step') },
  fc.constantFrom<Happening>('lost-step', 'build-ends', 'dies', 'forgets'),
  fc.constantFrom<DesiredKind>('running', 'stopped', 'removed').map((kind): Happening => ({ desire: kind })),
);

describe('stepping', () => {
  it('always comes to rest at what is desired, and never has two containers or starts a bot that must not run', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60 }), fc.array(fc.nat(8), { maxLength: 3 }), (happenings, bad) => {
        const world: World = {
          containers: [],
          images: new Set(),
          badImages: new Set(bad.map(BigInt)),
          desired: desire('running', 1n),
          preparing: undefined,
          failed: false,
          known: false,
          cleaned: false,
          started: [],
          nowMs: 0,
        };
        const check = () => {
          expect(world.containers.length).toBeLessThanOrEqual(1);
          expect(world.started).not.toContain(0n);
        };
        for (const next of happenings) {
          world.nowMs += 1;
          if (next === 'step') act(world, false);
          else if (next === 'lost-step') act(world, true);
          else if (next === 'build-ends') endBuild(world);
          else if (next === 'forgets') world.known = false;
          else if (next === 'dies') {
            const existing = world.containers[0];
            if (existing?.status === 'running') Object.assign(existing, { status: 'ended', settled: undefined });
          } else {
            world.desired = desire(next.desire, world.desired.revision + 1n);
            world.failed = false;
            world.cleaned = false;
          }
          check();
        }
        for (let n = 0; n < 40; n += 1) {
          world.nowMs += 1;
          if (!act(world, false)) endBuild(world);
          check();
        }
        const { kind, revision } = world.desired;
        expect(act(world, false)).toBe(false);
        if (kind !== 'running') expect(world.containers).toEqual([]);
        else if (world.badImages.has(revision)) expect(world.failed).toBe(true);
        else expect(world.containers).toMatchObject([{ revision, status: 'running' }]);
      }),
      { numRuns: 2000 },
    );
  });
});
