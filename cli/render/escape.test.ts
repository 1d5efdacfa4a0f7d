import fc from 'fast-check';
import { expect, it } from 'vitest';
import { escapeControls, escapeLines, plainOutput, safeJson, safeOutput } from './escape.ts';

it.each<[string, string]>([
  ['plain text, тест, 日本, 👨‍👩‍👧 and a\ttab', 'plain text, тест, 日本, 👨‍👩‍👧 and a\ttab'],
  ['\u001b[2J', '\\x1b[2J'],
  ['\u001b]52;c;ZXZpbA==\u0007', '\\x1b]52;c;ZXZpbA==\\x07'],
  ['\u009b31m', '\\x9b31m'],
  ['done\rfake', 'done\\x0dfake'],
  ['a\bb\u007f', 'a\\x08b\\x7f'],
  ['\u202egnp.exe', '\\u{202e}gnp.exe'],
  ['\u2066x\u2069\u200b\ufeff', '\\u{2066}x\\u{2069}\\u{200b}\\u{feff}'],
  ['\u{e0041}', '\\u{e0041}'],
  ['two\nlines', 'two\\x0alines'],
  ['\ud800', '\ufffd'],
])('%j is shown as %j', (text, shown) => {
  expect(escapeControls(text)).toBe(shown);
});

it('hostile 94: leaves nothing that could act on a terminal, in any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(escapeControls(text)).not.toMatch(unsafe);
      expect(escapeControls(escapeControls(text))).toBe(escapeControls(text));
    }),
  );
});

// All control characters but TAB, and the bidi controls by their Unicode property.
const unsafe = /(?!\t)\p{Cc}|\p{Bidi_Control}|[\u2028\u2029]/u;

it('keeps the line ends of a text of several lines', () => {
  expect(escapeLines('a\u001b\r\nb')).toBe('a\\x1b\nb');
});

it.each<[string, string]>([
  ['\u001b[31mred\u001b[0m and \u001b[1;38;5;208mbold\u001b[m', 'red and bold'],
  [' 10%\r 50%\r100% done\r', '100% done'],
  ['\u001b[2K\u001b[1Gnpm \u001b[33mwarn\u001b[39m', 'npm warn'],
  ['\u001b]0;title\u0007text\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'textlink'],
  ['cut off \u001b[3', 'cut off '],
  ['\u001b(Bplain\u001bM', 'plain'],
  ['bell\u0007 and \u009b31m', 'bell\\x07 and '],
  ['\u001b]52;c;never ended', ''],
])('shows %j of a build as %j', (line, shown) => {
  expect(plainOutput(line)).toBe(shown);
});

it.each<[string, string]>([
  ['\u001b[31mERROR\u001b[0m', 'ERROR'],
  ['\u001b]52;c;ZXZpbA==\u0007copied', 'copied'],
  ['\u001b]8;;http://evil\u001b\\click\u001b]8;;\u001b\\', 'click'],
  ['\u001b]0;title\u009cx', 'x'],
  ['\u009b2Jx', 'x'],
  ['\u009d0;title\u0007x', 'x'],
  ['\u0090q\u001b\\x', 'x'],
  ['\u001bcx', 'x'],
  ['a\u001b[', 'a'],
  ['a\rb\bc\r', 'a\\x0db\\x08c'],
  ['\u202egnp.exe', '\\u{202e}gnp.exe'],
  ['[red]markup[/red] 100% \ttab тест', '[red]markup[/red] 100% \ttab тест'],
])('%j of a bot is shown as %j', (text, shown) => {
  expect(safeOutput(text)).toBe(shown);
});

it('hostile 93: leaves nothing of a bot that could act on a terminal, in any text', () => {
  const text = fc.array(
    fc.constantFrom('\u001b', '\u009b', '[', ']', ';', '0', 'm', '\\', '\u0007', '\u009c', 'P', 'x', '\r'),
  );
  fc.assert(
    fc.property(text, (parts) => {
      expect(safeOutput(parts.join(''))).not.toMatch(unsafe);
    }),
  );
});

it('hostile 96: writes JSON that means the same and holds nothing that could act on a terminal', () => {
  expect(safeJson({ text: '\u009b\u202e\u{e0041}\u007f\u001b' })).toBe(
    '{"text":"\\u009b\\u202e\\udb40\\udc41\\u007f\\u001b"}',
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(safeJson(value as never))).toEqual(JSON.parse(JSON.stringify(value)));
      expect(safeJson(value as never)).not.toMatch(unsafe);
    }),
  );
});
