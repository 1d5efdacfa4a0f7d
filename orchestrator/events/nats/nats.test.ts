import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#common/env-config.ts';
import { readOrchestratorConfig } from '../../config.ts';
import type { EventRecord } from '../../core/records.ts';
import { parseNatsUrl } from './nats-url.ts';
import { covers, subjectsOf } from './subjects.ts';

const worker = {
  workerId: 'w1',
  condition: 'ready',
  reason: '',
  cordoned: false,
  runtime: '',
  version: '',
  engineVersion: '',
} as const;
const event = (ids: Partial<EventRecord>, kind: 'bot' | 'job' | 'worker'): EventRecord => {
  const base = { seq: 1, eventId: 'e', botSeq: 1, userId: 'ann', botId: 'echo', subjectId: 'echo', at: 0, ...ids };
  // Only the kind is looked at.
  return { ...base, body: kind === 'worker' ? { kind, worker } : ({ kind } as unknown as EventRecord['body']) };
};

describe('subjects', () => {
  it('are those of the interface, with the ids as they are', () => {
    expect(subjectsOf(event({ botId: 'My_bot-1' }, 'bot'))).toEqual({
      binary: 'botrunner.v1.events.ann.My_bot-1',
      json: 'botrunner.v1.json.events.ann.My_bot-1',
    });
    const jobId = '01M82BV2HAHDEJ4177M5M4AHJD';
    expect(subjectsOf(event({ subjectId: jobId }, 'job'))).toEqual({ binary: `botrunner.v1.jobs.ann.${jobId}` });
    expect(subjectsOf(event({ userId: '', subjectId: 'a.example.org' }, 'worker'))).toEqual({
      binary: 'botrunner.v1.workers.a%2Eexample%2Eorg',
    });
    expect(subjectsOf(event({ userId: '', subjectId: 'w1' }, 'worker'))).toEqual({ binary: 'botrunner.v1.workers.w1' });
  });

  it('hostile 106: never hold what means something in a subject, whatever the ids are', () => {
    const ids = fc.oneof(fc.string(), fc.constantFrom('a.b', '*', '>', 'a b', '', 'a\r\nPUB x 0', '\u0000', 'é'));
    fc.assert(
      fc.property(ids, ids, ids, fc.constantFrom('bot', 'job', 'worker'), (userId, botId, subjectId, kind) => {
        const subjects = subjectsOf(event({ userId, botId, subjectId }, kind));
        for (const subject of subjects ? [subjects.binary, subjects.json ?? subjects.binary] : []) {
          expect(subject).toMatch(/^botrunner\.v1(\.[A-Za-z0-9_%-]+){2,4}$/);
        }
      }),
    );
  });

  it.each([
    ['botrunner.v1.>', 'botrunner.v1.events.ann.echo', true],
    ['botrunner.v1.events.*.*', 'botrunner.v1.events.ann.echo', true],
    ['botrunner.v1.events.*', 'botrunner.v1.events.ann.echo', false],
    ['botrunner.v1.events.ann.echo', 'botrunner.v1.events.ann.echo', true],
    ['botrunner.v1.events.ann.echo.>', 'botrunner.v1.events.ann.echo', false],
    ['>', 'botrunner.v1.workers.w1', true],
    ['orders.>', 'botrunner.v1.workers.w1', false],
  ])('%s covers %s: %s', (pattern, subject, expected) => {
    expect(covers(pattern, subject)).toBe(expected);
  });
});

describe('NATS_URL', () => {
  it.each([
    ['nats://127.0.0.1', ['127.0.0.1:4222'], false, undefined],
    ['nats://a:4223,nats://b', ['a:4223', 'b:4222'], false, undefined],
    ['tls://ann:p%40ss@nats.example:443', ['nats.example:443'], true, { user: 'ann', pass: 'p@ss' }],
    ['nats://t0ken@a,nats://t0ken@b', ['a:4222', 'b:4222'], false, { token: 't0ken' }],
  ])('%s', (text, servers, tls, login) => {
    const target = parseNatsUrl(text);
    expect(target).toMatchObject({ servers, tls });
    expect(target?.login?.reveal()).toEqual(login);
    expect(JSON.stringify(target)).not.toMatch(/p@ss|p%40ss|t0ken/);
  });

  it.each([
    'localhost:4222',
    'http://a',
    'nats://',
    'nats://a/path',
    'nats://a?x=1',
    'nats://u:canary%@a',
    'nats://x:canary@a,nats://y:other@b',
    '',
  ])('refuses %j without repeating it', (text) => {
    if (text === '') return expect(readOrchestratorConfig({ NATS_URL: text }).nats).toBeUndefined();
    const read = () => readOrchestratorConfig({ NATS_URL: text });
    expect(read).toThrow(ConfigError);
    expect(read).not.toThrow(/canary/);
  });
});
