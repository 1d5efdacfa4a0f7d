/** Which line of a Procfile is a bot's. https://devcenter.heroku.com/articles/procfile. Pure. */

export interface ProcfileLine {
  readonly type: string;
  readonly command: string;
}

/** The likeliest first: what answers web requests may be a bot's webhook. */
const usualTypes = ['worker', 'bot', 'web'];

export function readProcfile(text: string): readonly ProcfileLine[] {
  const processes: ProcfileLine[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    const colon = line.indexOf(':');
    const type = line.slice(0, Math.max(0, colon)).trim();
    const command = line.slice(colon + 1).trim();
    if (/^[A-Za-z0-9_-]{1,64}$/.test(type) && command !== '') processes.push({ type, command });
  }
  return processes;
}

/** The one to run; undefined when there is none, or nothing says which of several it is. */
export function botProcess(processes: readonly ProcfileLine[]): ProcfileLine | undefined {
  for (const type of usualTypes) {
    const found = processes.find((each) => each.type === type);
    if (found !== undefined) return found;
  }
  const others = processes.filter(({ type }) => type !== 'release');
  return others.length === 1 ? others[0] : undefined;
}
