/** When containers start, as their engine says. */
import http from 'node:http';

/** The times at which containers have started, by name, ms since 1970. Until `close`. */
export function watchStarts(socketPath: string): { readonly starts: Map<string, number[]>; close(): void } {
  const starts = new Map<string, number[]>();
  const filters = encodeURIComponent(JSON.stringify({ type: ['container'], event: ['start'] }));
  const sent = http.get({ socketPath, path: `/events?filters=${filters}` }, (response) => {
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((one) => one.trim() !== '')) {
        const event = JSON.parse(line) as { timeNano: number; Actor: { Attributes: { name: string } } };
        const { name } = event.Actor.Attributes;
        starts.set(name, [...(starts.get(name) ?? []), event.timeNano / 1e6]);
      }
    });
    response.on('error', () => {});
  });
  sent.on('error', () => {});
  return { starts, close: () => sent.destroy() };
}
