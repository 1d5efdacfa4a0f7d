/** What a REST route is, and how one is found by path and method. Pure. */
import type { Json } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import type { Allowance, CallTerms } from '../admission/admission.ts';
import type { Answer, Request, Response } from './http.ts';

export interface RouteCall {
  readonly request: Request;
  readonly response: Response;
  /** The groups of the route's pattern. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
  readonly allowance: Allowance;
  /** Aborts when the program ends: what is held open ends. */
  readonly shutdown: AbortSignal;
}

/** Undefined when it has answered itself. */
export type RouteHandler = (call: RouteCall) => Promise<Answer | undefined> | Answer | undefined;

export interface RouteMethod extends CallTerms {
  readonly handle: RouteHandler;
  /** The example that is shown with every refusal, instead of the code's own. */
  readonly example?: (problem: Problem) => Json;
}

export interface Route {
  readonly pattern: RegExp;
  readonly methods: Readonly<Partial<Record<'GET' | 'POST' | 'PATCH', RouteMethod>>>;
  /** True when GET changes something, as taking a task does, or never ends. */
  readonly noHead?: true;
}

export type Found =
  | { readonly kind: 'route'; readonly method: RouteMethod; readonly params: readonly string[] }
  /** OPTIONS: what the methods of the path are. */
  | { readonly kind: 'options'; readonly allow: string }
  | { readonly kind: 'wrong-method'; readonly path: string; readonly allow: string }
  | { readonly kind: 'none'; readonly path: string };

/** A path with slashes at its end is the same without them. */
export function findRoute(routes: readonly Route[], method: string, path: string): Found {
  const plain = path === '*' ? path : path.slice(0, lengthWithoutSlashes(path)) || '/';
  const matches = routes.flatMap((route) => {
    const match = route.pattern.exec(plain);
    return match === null ? [] : [{ route, params: match.slice(1).map((param) => param ?? '') }];
  });
  if (plain === '*' && method === 'OPTIONS') return { kind: 'options', allow: 'GET, HEAD, POST, PATCH' };
  if (matches.length === 0) return { kind: 'none', path: plain };
  for (const { route, params } of matches) {
    const wanted = method === 'HEAD' && route.noHead !== true ? 'GET' : method;
    const found = Object.hasOwn(route.methods, wanted) ? route.methods[wanted as keyof Route['methods']] : undefined;
    if (found !== undefined) return { kind: 'route', method: found, params };
  }
  const allow = [...new Set(matches.flatMap(({ route }) => methodsOf(route)))].join(', ');
  return method === 'OPTIONS' ? { kind: 'options', allow } : { kind: 'wrong-method', path: plain, allow };
}

const methodsOf = ({ methods, noHead }: Route): readonly string[] =>
  Object.keys(methods).flatMap((method) => (method === 'GET' && noHead !== true ? ['GET', 'HEAD'] : [method]));

function lengthWithoutSlashes(path: string): number {
  let length = path.length;
  while (path[length - 1] === '/') length -= 1;
  return length;
}
