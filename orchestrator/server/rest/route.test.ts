import { describe, expect, it } from 'vitest';
import { findRoute, type Route, type RouteMethod } from './route.ts';

const answer: RouteMethod = { scopes: undefined, body: 'open', handle: () => ({ status: 200, body: null }) };
const routes: readonly Route[] = [
  { pattern: /^\/jobs$/, methods: { POST: answer } },
  { pattern: /^\/jobs\/([^/]+)$/, methods: { GET: answer } },
  { pattern: /^\/api\/([^/]+)$/, methods: { GET: answer } },
  { pattern: /^\/api\/([^/]+)$/, methods: { POST: answer } },
  { pattern: /^\/next$/, methods: { GET: answer }, noHead: true },
];
const find = (method: string, path: string) => {
  const found = findRoute(routes, method, path);
  if (found.kind === 'route') return found.params;
  return found.kind === 'options'
    ? found.allow
    : found.kind === 'none'
      ? [found.kind, undefined]
      : [found.kind, found.allow];
};

describe('a route', () => {
  it.each([
    ['POST', '/jobs', []],
    ['POST', '/jobs/', []],
    ['GET', '/jobs/a', ['a']],
    ['HEAD', '/jobs/a///', ['a']],
    ['POST', '/api/x', ['x']],
    ['GET', '/nowhere', ['none', undefined]],
    ['GET', '/', ['none', undefined]],
    ['GET', `/${'/'.repeat(10_000)}x`, ['none', undefined]],
    ['GET', '/jobs', ['wrong-method', 'POST']],
    ['DELETE', '/jobs/a', ['wrong-method', 'GET, HEAD']],
    ['PUT', '/api/x', ['wrong-method', 'GET, HEAD, POST']],
    ['HEAD', '/next', ['wrong-method', 'GET']],
    ['constructor', '/jobs', ['wrong-method', 'POST']],
    ['OPTIONS', '/jobs', 'POST'],
    ['OPTIONS', '*', 'GET, HEAD, POST, PATCH'],
  ])('%s %s', (method, path, expected) => {
    expect(find(method, path)).toEqual(expected);
  });
});
