/** The REST interface, as far as the fixture is made with it: it has been the same in every release. */
import { eventually } from '../../test/kit/eventually.ts';
import type { SampleBot } from './sample-bots.ts';

export interface Job {
  readonly status: string;
  readonly reason: string;
}

export type Rest = ReturnType<typeof createRest>;

export function createRest(url: string, token: string) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${url}${path}`, { headers })).json()) as Record<string, unknown>;
  const post = async (body: unknown, key?: string): Promise<string> => {
    const answer = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers: { ...headers, ...(key === undefined ? {} : { 'idempotency-key': key }) },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.status !== 202) throw new Error(`refused: ${text}`);
    return String(JSON.parse(text).job_id);
  };
  const job = async (id: string): Promise<Job & Record<string, unknown>> => {
    const found = await get(`/jobs/${id}`);
    return { ...found, status: String(found['status']), reason: String(found['reason'] ?? '') };
  };
  const ended = (id: string) =>
    eventually(
      `job ${id} has ended`,
      () => job(id),
      ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
      { timeoutMs: 120_000 },
    );
  const startBody = (botId: string, { files, entrypoint, requirements }: SampleBot, extra = {}, action = 'start') => ({
    blueprint: 'bot_runner',
    data: {
      action,
      bot_id: botId,
      deployment_mode: 'simple',
      files,
      entrypoint,
      ...(requirements ? { requirements } : {}),
      ...extra,
    },
  });
  const act = async (botId: string, action: string, extra = {}) =>
    ended(
      await post({ blueprint: 'bot_runner', data: { action, ...(botId === '' ? {} : { bot_id: botId }), ...extra } }),
    );
  const resultOf = async (botId: string, action: string, extra = {}) => {
    const { data } = (await act(botId, action, extra)) as { data?: { result?: Record<string, unknown> } };
    return data?.result ?? {};
  };
  return {
    isUp: () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    post,
    job,
    ended,
    startBody,
    act,
    resultOf,
    run: async (botId: string, bot: SampleBot, extra = {}, action = 'start') =>
      ended(await post(startBody(botId, bot, extra, action))),
    list: async () => ((await resultOf('', 'list'))['bots'] ?? []) as readonly Record<string, unknown>[],
    logs: async (botId: string) => String((await resultOf(botId, 'logs', { lines: 5000 }))['logs'] ?? ''),
    /** The id of the newest event. */
    async lastEventId(): Promise<string> {
      const answer = await fetch(`${url}/events?last=1`, { headers });
      const decoder = new TextDecoder();
      let text = '';
      for await (const chunk of answer.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        const id = /^id: ?(.+)$/m.exec(text)?.[1];
        // Leaving the loop ends the request.
        if (id !== undefined) return id;
      }
      throw new Error(`no event came: ${text}`);
    },
  };
}
