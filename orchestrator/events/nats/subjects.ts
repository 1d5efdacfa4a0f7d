/**
 * The subject of an event. Ids stand in it as they are: their grammars (common/ids.ts) have no star, space or control
 * character, which in a subject would mean something else. Only ids of workers have dots; each is written %2E there. Pure.
 */
import { botIdPattern, ulidPattern, userIdPattern, workerIdPattern } from '#common/ids.ts';
import type { EventRecord } from '../../core/records.ts';

const prefix = 'botrunner.v1';

export interface Subjects {
  /** For the message. */
  readonly binary: string;
  /** For its JSON twin; only events of bots have one. */
  readonly json?: string;
}

/** Undefined for an id that does not fit its grammar: such an event is not published, rather than somewhere else. */
export function subjectsOf({ userId, botId, subjectId, body }: EventRecord): Subjects | undefined {
  switch (body.kind) {
    case 'bot': {
      if (!userIdPattern.test(userId) || !botIdPattern.test(botId)) return undefined;
      return { binary: `${prefix}.events.${userId}.${botId}`, json: `${prefix}.json.events.${userId}.${botId}` };
    }
    case 'job':
      if (!userIdPattern.test(userId) || !ulidPattern.test(subjectId)) return undefined;
      return { binary: `${prefix}.jobs.${userId}.${subjectId}` };
    case 'worker':
      if (!workerIdPattern.test(subjectId)) return undefined;
      return { binary: `${prefix}.workers.${subjectId.replaceAll('.', '%2E')}` };
  }
}

/** Whether a stream's subject, with its wildcards, covers a subject (https://docs.nats.io/nats-concepts/subjects). */
export function covers(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return index < tokens.length;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
