import { expect, it } from 'vitest';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { logLines } from '../testing/fake-orchestrator.ts';
import { logEntryJson, renderLogLine } from './log-lines.ts';
import { createStyle } from './style.ts';

const pipe = createStyle({ terminal: false, colour: true });
const plainTerminal = createStyle({ terminal: true, colour: false });
const terminal = createStyle({ terminal: true, colour: true });
const line = (text: string, stream = LogStream.STDOUT) => logLines([text], stream)[0] ?? expect.unreachable();

it('gives a pipe the line as it is, whatever it holds and wherever it came from', () => {
  expect(renderLogLine(line('\u001b[31mERROR\r\u009b'), pipe)).toBe('\u001b[31mERROR\r\u009b\n');
  expect(renderLogLine(line('Step 1/4', LogStream.BUILD), pipe)).toBe('Step 1/4\n');
});

it.each<[string, LogStream, string]>([
  ['\u001b[2Jhello\r', LogStream.STDOUT, '\\x1b[2Jhello\n'],
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
