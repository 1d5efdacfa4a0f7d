import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ulid } from 'ulid';
import { describe, expect, it } from 'vitest';
import { DesiredSetSchema, EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createPeerClock } from './peer-clock.ts';

describe('the time left for a task of an orchestrator that sends an instant', () => {
  const clock = createManualClock();
  // An hour and a half behind this machine.
  const thereMs = clock.wallMs() - 5_400_000;
  const peer = createPeerClock(ulid(thereMs), () => clock.monotonicMs());
  const command = create(EnsureSchema, { taskId: 't', deadlineAt: timestampFromMs(thereMs + 60_000) });

  it('is counted by the orchestrator’s clock, whatever this machine’s says', () => {
    expect(peer.withRemaining(command).remainingMs).toBe(60_000n);
    clock.advance(20_000);
    clock.setWall(0);
    expect(peer.withRemaining(command).remainingMs).toBe(40_000n);
    const set = create(DesiredSetSchema, { bots: [command] });
    expect(peer.setWithRemaining(set).bots[0]?.remainingMs).toBe(40_000n);
    clock.advance(600_000);
    expect(peer.withRemaining(command).remainingMs).toBe(0n);
  });

  it('is what the orchestrator says where it says so, and unknown where nothing can be said', () => {
    const told = create(EnsureSchema, { remainingMs: 7n, deadlineAt: timestampFromMs(0) });
    expect(peer.withRemaining(told).remainingMs).toBe(7n);
    expect(peer.withRemaining(create(EnsureSchema, {})).remainingMs).toBeUndefined();
    const strange = createPeerClock('s1', () => 0);
    expect(strange.withRemaining(command).remainingMs).toBeUndefined();
  });
});
