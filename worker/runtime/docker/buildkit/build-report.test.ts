import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { createBuildKitReport } from './build-report.ts';

/** A message of BuildKit's with these steps and outputs, as the engine wraps it. */
function message(
  steps: readonly { id: string; name: string; state?: 'started' | 'ended'; isCached?: boolean }[],
  outputs: readonly { id: string; text: string; stream?: number }[] = [],
): string {
  const trace = new BinaryWriter();
  for (const { id, name, state, isCached = false } of steps) {
    trace.tag(1, 2).fork();
    trace.tag(1, 2).string(id).tag(3, 2).string(name);
    if (isCached) trace.tag(4, 0).bool(true);
    if (state !== undefined) trace.tag(5, 2).bytes(new Uint8Array([8, 1]));
    if (state === 'ended') trace.tag(6, 2).bytes(new Uint8Array([8, 2]));
    trace.join();
  }
  for (const { id, text, stream = 1 } of outputs) {
    trace.tag(3, 2).fork();
    trace.tag(1, 2).string(id).tag(3, 0).int64(stream).tag(4, 2).bytes(Buffer.from(text));
    trace.join();
  }
  const aux = Buffer.from(trace.finish()).toString('base64');
  return `${JSON.stringify({ id: 'moby.buildkit.trace', aux })}\n`;
}

function reported(text: string) {
  const lines: string[] = [];
  const report = createBuildKitReport((line) => lines.push(line));
  // In any pieces.
  for (let at = 0; at < text.length; at += 7) report.push(Buffer.from(text.slice(at, at + 7)));
  report.end();
  return { lines, report };
}

describe("BuildKit's report of a build", () => {
  it('is the names of steps and what they printed, in whole lines', () => {
    const name = '[2/3] RUN echo';
    const { lines, report } = reported(
      [
        message([{ id: 'i', name: '[internal] load build definition', state: 'ended' }]),
        message([{ id: 'f', name: '[1/3] FROM docker.io/library/busybox', state: 'ended', isCached: true }]),
        message([{ id: 'a', name }]),
        message([{ id: 'a', name, state: 'started' }], [{ id: 'a', text: 'one\ntw' }]),
        message([], [{ id: 'a', text: 'err', stream: 2 }]),
        message([], [{ id: 'a', text: 'o\nthree' }]),
        message([{ id: 'a', name, state: 'ended' }]),
        message([{ id: 'x', name: 'exporting to image', state: 'ended' }], [{ id: 'x', text: 'noise\n' }]),
      ].join(''),
    );
    expect(lines).toEqual(['[1/3] FROM docker.io/library/busybox', 'CACHED', name, 'one', 'two', 'three', 'err']);
    expect(report.hasBase()).toBe(true);
    expect(report.error()).toBeUndefined();
  });

  it('says whose output it is when steps run side by side', () => {
    const { lines } = reported(
      [
        message([
          { id: 'a', name: '[a 2/2] RUN a', state: 'started' },
          { id: 'b', name: '[b 2/2] RUN b', state: 'started' },
        ]),
        message([], [{ id: 'a', text: '1\n' }]),
        message([], [{ id: 'b', text: '2\n' }]),
        message([], [{ id: 'b', text: '3\n' }]),
      ].join(''),
    );
    expect(lines).toEqual(['[a 2/2] RUN a', '[b 2/2] RUN b', '[a 2/2] RUN a', '1', '[b 2/2] RUN b', '2', '3']);
  });

  it('has what a step printed before the name of the next one, also when one message tells of both', () => {
    const [first, second] = ['[2/3] RUN a', '[3/3] RUN b'];
    const both = [
      { id: 'b', name: second, state: 'started' },
      { id: 'a', name: first, state: 'ended' },
    ] as const;
    const { lines } = reported(
      [
        message([{ id: 'a', name: first, state: 'started' }], [{ id: 'a', text: 'one\nend' }]),
        message(both, [
          { id: 'b', text: 'two\n' },
          { id: 'a', text: ' of it' },
        ]),
      ].join(''),
    );
    expect(lines).toEqual([first, 'one', 'end of it', second, 'two']);
    const steps = [{ id: 'a', name: first, state: 'ended' } as const, ...both.slice(0, 1)];
    const outputs = [
      { id: 'a', text: 'one' },
      { id: 'b', text: 'two' },
    ];
    expect(reported(message(steps, outputs)).lines).toEqual([first, 'one', second, 'two']);
  });

  it('has the outcome whatever else is in it', () => {
    const junk = ['{"id":"moby.buildkit.trace","aux":"////"}', 'no JSON', '{"aux":1}', ''].join('\n');
    const { report } = reported(`${junk}\n{"errorDetail":{"message":"exit code: 1"},"error":"exit code: 1"}\n`);
    expect(report.error()).toBe('exit code: 1');
    expect(report.hasBase()).toBe(false);
  });

  it('holds few lines that have no end, and shows each once', () => {
    const ids = Array.from({ length: 100 }, (_, at) => `s${at}`);
    const { lines } = reported(
      ids.map((id) => message([{ id, name: `[${id} 2/2] RUN x`, state: 'started' }], [{ id, text: id }])).join(''),
    );
    expect(lines.filter((line) => /^s\d+$/.test(line)).toSorted()).toEqual(ids.toSorted());
  });

  it('has no line ends in the names of steps', () => {
    const { lines } = reported(message([{ id: 'a', name: '[2/2] RUN <<EOF\r\n(a\nb)', state: 'started' }]));
    expect(lines).toEqual(['[2/2] RUN <<EOF (a b)']);
  });
});
