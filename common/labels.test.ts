import { expect, it } from 'vitest';
import { checkLabels, labelsText, parseLabels } from './labels.ts';

it('takes words of the form key=value, also with an empty value', () => {
  const parsed = parseLabels(['zone=eu', 'gpu='], 16);
  expect(parsed).toEqual({ ok: true, value: { zone: 'eu', gpu: '' } });
  expect(labelsText({ zone: 'eu', gpu: 'yes' })).toBe('gpu=yes, zone=eu');
});

it.each([
  ['no value', ['zone'], /not of the form key=value/],
  ['no key', ['=eu'], /key of the label ""/],
  ['white space', ['zone= eu'], /value of the label "zone"/],
  ['a second "="', ['zone=a=b'], /value of the label "zone"/],
  ['a key twice', ['a=1', 'a=2'], /given twice/],
  ['too many', Array.from({ length: 17 }, (_, n) => `k${n}=v`), /17 labels; 16 are allowed/],
])('refuses %s', (_what, words, message) => {
  const parsed = parseLabels(words, 16);
  expect(parsed.ok ? '' : `${parsed.problem.code} ${parsed.problem.message}`).toMatch(message);
});

it('does not lose a key that objects have of their own', () => {
  const checked = checkLabels([['constructor', 'x']], 16);
  expect(checked.ok && Object.keys(checked.value)).toEqual(['constructor']);
  expect(checkLabels([['__proto__', 'x']], 16).ok).toBe(false);
});
