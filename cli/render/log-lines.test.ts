import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { logLines } from '../testing/fake-orchestrator.ts';
import { logEntryJson, renderLogLine, renderRawLogLine } from './log-lines.ts';
import { createStyle } from './style.ts';

const pipe = createStyle({ terminal: false, colour: true });
const plainTerminal = createStyle({ terminal: true, colour: false });
const terminal = createStyle({ terminal: true, colour: true });
const line = (text: string, stream = LogStream.STDOUT) => logLines([text], stream)[0] ?? expect.unreachable();

it("gives a pipe what a terminal gets, without colours, and marks lines that are not the bot's", () => {
  expect(renderLogLine(line('\u001b[31mERROR\r\u009b1mx'), pipe)).toBe('ERROR\\x0dx\n');
  expect(renderLogLine(line('Step 1/4', LogStream.BUILD), pipe)).toBe('[build] Step 1/4\n');
});

it('begins with the time when asked to', () => {
  const time = '2026-11-22T15:00:00.000000000Z';
  expect(renderLogLine(line('\u0007x'), pipe, true)).toBe(`${time} \\x07x\n`);
  expect(renderLogLine(line('\u0007x'), plainTerminal, true)).toBe(`${time} \\x07x\n`);
  expect(renderRawLogLine(line('\u0007x'), true)).toBe(`${time} \u0007x\n`);
  expect(renderLogLine(line('Step', LogStream.BUILD), plainTerminal, true)).toBe(`${time} [build] Step\n`);
});

// C0 but TAB, DEL, C1, marks that reorder what is read, and half characters.
const harmful = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/;

it('hostile 93: lets nothing through, to a terminal or a pipe, that could act on a terminal', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.integer({ min: 0, max: 0x2070 })).map((codes) => String.fromCharCode(...codes)),
  );
  const stream = fc.constantFrom(LogStream.STDOUT, LogStream.STDERR, LogStream.BUILD, LogStream.SYSTEM, LogStream.GAP);
  fc.assert(
    fc.property(text, stream, fc.boolean(), fc.boolean(), (written, from, timestamps, piped) => {
      const shown = renderLogLine(line(written, from), piped ? pipe : plainTerminal, timestamps);
      expect(shown.endsWith('\n')).toBe(true);
      expect(shown.slice(0, -1).replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')).not.toMatch(harmful);
    }),
  );
});

it("gives --raw each character of a bot, and still marks lines that are not the bot's", () => {
  expect(renderRawLogLine(line('\u001b[31mERROR\r\u009b'))).toBe('\u001b[31mERROR\r\u009b\n');
  expect(renderRawLogLine(line('Step 1/4', LogStream.BUILD))).toBe('[build] Step 1/4\n');
});

it.each<[string, LogStream, string]>([
  ['\u001b[2Jhello\r', LogStream.STDOUT, 'hello\n'],
  ['Step 1/4', LogStream.BUILD, '[build] Step 1/4\n'],
  ['started', LogStream.SYSTEM, '[system] started\n'],
  ['3 lines', LogStream.GAP, '[gap] 3 lines\n'],
])('shows %j of stream %i on a terminal as %j', (text, stream, shown) => {
  expect(renderLogLine(line(text, stream), plainTerminal)).toBe(shown);
});

it.each<[string, string]>([
  ['ERROR: no', '\u001b[31mERROR: no\u001b[39m\n'],
  ['Traceback (most recent call last):', '\u001b[31mTraceback (most recent call last):\u001b[39m\n'],
  ['ValueError: x', '\u001b[31mValueError: x\u001b[39m\n'],
  ['WARNING: hm', '\u001b[33mWARNING: hm\u001b[39m\n'],
  ['INFO:aiogram:run', '\u001b[2mINFO:aiogram:run\u001b[22m\n'],
  ['a terrorist', 'a terrorist\n'],
  ['hello', 'hello\n'],
])('colours %j on a terminal', (text, shown) => {
  expect(renderLogLine(line(text), terminal)).toBe(shown);
});

it('keeps time, stream and cursor in JSON', () => {
  expect(logEntryJson(line('x', LogStream.STDERR))).toEqual({
    time: '2026-11-22T15:00:00.000Z',
    stream: 'stderr',
    text: 'x',
    cursor: 'c1',
  });
});
