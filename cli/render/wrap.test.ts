import { expect, it } from 'vitest';
import { wrapCommand, wrapParagraphs, wrapText } from './wrap.ts';

it('breaks a text between words, and leaves a word whole that is wider than a line', () => {
  expect(wrapText('one two  three', 7)).toEqual(['one two', 'three']);
  expect(wrapText('a very-long-word b', 6)).toEqual(['a', 'very-long-word', 'b']);
  expect(wrapText('', 6)).toEqual([]);
});

it('keeps paragraphs apart', () => {
  expect(wrapParagraphs('a b\n\nc', 1)).toBe('a\nb\n\nc');
});

it('breaks a command line so that a shell takes it as one', () => {
  expect(wrapCommand('prog a b', 8)).toEqual(['prog a b']);
  expect(wrapCommand(`prog b --one "two words" -e 'three more'`, 24)).toEqual([
    'prog b \\',
    '  --one "two words" \\',
    "  -e 'three more'",
  ]);
  expect(wrapCommand('prog list --json | jq -r .bots', 24)).toEqual(['prog list --json \\', '  | jq -r .bots']);
});

it('leaves room for its own marks, so that no line is wider than asked', () => {
  const line = 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0,<4" -e BOT_TOKEN=123:ABC --on zone=eu';
  for (const part of wrapCommand(line, 40)) expect(part.length).toBeLessThanOrEqual(40);
});
