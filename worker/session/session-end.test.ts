import { Metadata } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { status } from './channel.ts';
import { sessionEndOf } from './session-end.ts';

const call = (code: number, details = '') => ({ code, details, metadata: new Metadata() });

it.each([
  ['join', status.UNAUTHENTICATED, { kind: 'refused', tokenWrong: true }],
  ['session', status.UNAUTHENTICATED, { kind: 'unknown' }],
  ['join', status.PERMISSION_DENIED, { kind: 'refused', tokenWrong: false }],
  ['session', status.INVALID_ARGUMENT, { kind: 'refused', tokenWrong: false }],
  ['session', status.ABORTED, { kind: 'fenced' }],
  ['join', status.ABORTED, { kind: 'lost', welcomed: false }],
  ['join', status.UNAVAILABLE, { kind: 'lost', message: 'UNAVAILABLE' }],
] as const)('a %s that ends with %i is %o', (of, code, end) => {
  expect(sessionEndOf(call(code), of)).toMatchObject(end);
});

it('an answer of a web server says nothing about the worker, whatever code grpc-js makes of its status', () => {
  const end = sessionEndOf(call(status.UNAUTHENTICATED, 'Received HTTP status code 401'), 'session', true);
  expect(end).toEqual({ kind: 'lost', message: 'Received HTTP status code 401', welcomed: true });
});
