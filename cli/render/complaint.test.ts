import { expect, it } from 'vitest';
import type { Complaint } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { complaintJson, renderComplaint } from './complaint.ts';
import { createStyle } from './style.ts';

const plain = createStyle({ terminal: false, colour: false });
const complaint: Complaint = {
  exitCode: exitCodes.failed,
  code: 'QUOTA_EXCEEDED',
  message: 'You have 3 of 3 bots.',
  hint: 'Stop one first.',
  details: { current_bots: 3, active_bots: ['a', 'b', 'c'] },
  example: 'avtomatika-bot stop a',
  botId: '',
  short: false,
};

it('shows code, message, hint and example, and the details when asked for', () => {
  const text =
    'Error QUOTA_EXCEEDED: You have 3 of 3 bots.\n  Hint: Stop one first.\n  Example: avtomatika-bot stop a\n';
  expect(renderComplaint(complaint, plain, false)).toBe(text);
  expect(renderComplaint(complaint, plain, true)).toBe(`${text}  current_bots: 3\n  active_bots: ["a","b","c"]\n`);
});

it('shows what was found on this side in one line', () => {
  expect(renderComplaint({ ...complaint, short: true }, plain, true)).toBe(
    'Error QUOTA_EXCEEDED: You have 3 of 3 bots. Stop one first.\n',
  );
});

it('shows only codes that the docs explain', () => {
  expect(renderComplaint({ ...complaint, short: true, code: 'UNREACHABLE' }, plain, false)).toBe(
    'Error: You have 3 of 3 bots. Stop one first.\n',
  );
});

it.each([
  [{ output_tail: 'one\r\ntwo\n' }],
  [{ output_tail: ['one', 'two'] }],
  [{ last_lines: [{ text: 'one' }, { text: 'two' }] }],
])('shows the end of the output in %j', (details) => {
  const text = renderComplaint({ ...complaint, details, hint: '', example: null }, plain, true);
  expect(text).toBe('Error QUOTA_EXCEEDED: You have 3 of 3 bots.\n  | one\n  | two\n');
});

it('hostile 94: writes control characters out, wherever they come from', () => {
  const evil = 'a\u001b]0;b\u0007';
  const all = {
    ...complaint,
    code: evil,
    message: evil,
    hint: evil,
    example: evil,
    details: { [evil]: evil, tail: [evil] },
  };
  expect(renderComplaint(all, createStyle({ terminal: true, colour: false }), true)).not.toMatch(/(?!\n)\p{Cc}/u);
});

it('hostile 100: cuts a text of a megabyte, wherever it comes from, and says how much is left out', () => {
  const endless = 'x'.repeat(1_000_000);
  const all = {
    ...complaint,
    message: endless,
    hint: endless,
    example: endless,
    details: { a: endless, tail: [endless] },
  };
  const text = renderComplaint(all, plain, true);
  expect(text.length).toBeLessThan(5 * 5_000);
  expect(text.match(/x\.\.\. \(\d+ more characters\)$/gm)).toHaveLength(5);
  expect(JSON.stringify(complaintJson(all))).toContain(endless);
});

it('has the five fields of a REST error in JSON', () => {
  expect(complaintJson(complaint)).toEqual({
    error: {
      code: 'QUOTA_EXCEEDED',
      message: 'You have 3 of 3 bots.',
      details: { current_bots: 3, active_bots: ['a', 'b', 'c'] },
      hint: 'Stop one first.',
      example: 'avtomatika-bot stop a',
    },
  });
});
