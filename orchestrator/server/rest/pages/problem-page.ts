/** A refusal as an answer: JSON, and a page for somebody who has only typed an address into a browser. */
import type { Problem } from '#common/problem.ts';
import { problemCodes } from '#common/problem-codes.ts';
import { problemToJson } from '../../../views/job-json.ts';
import type { Answer, Request } from '../http.ts';
import { frontTitle } from './front-page.ts';
import { htmlPage, pageHeaders } from './html.ts';
import { htmlType, prefersHtml } from './public-routes.ts';

export function problemAnswer(request: Request, problem: Problem): Answer {
  const status = problemCodes[problem.code].http;
  if (problem.code === 'ROUTE_NOT_FOUND' && prefersHtml(request)) {
    const { message, hint, example } = problem;
    const lines = [typeof example === 'string' ? example : JSON.stringify(example)];
    const text = htmlPage(frontTitle, [{ text: message }, { text: hint }, { lines }]);
    return { status, text, type: htmlType, headers: { ...pageHeaders, vary: 'accept' } };
  }
  const { allow, retry_after: retryAfter } = problem.details;
  const headers = {
    ...(problem.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string' ? { allow } : {}),
    ...(typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter) } : {}),
  };
  return { status, body: { error: problemToJson(problem) }, headers };
}
