import { describe, expect, it } from 'vitest';
import { keyObjectOf, open, openText, seal, sealText } from './seal.ts';
import { Secret } from './secret.ts';

const key = new Secret(new Uint8Array(32).fill(7));
const other = new Secret(new Uint8Array(32).fill(8));

describe('what is sealed', () => {
  it('is opened with the same key and binding, and shows nothing before', () => {
    const sealed = seal(key, Buffer.from('hunter2'), 'bot a');
    expect(sealed.includes('hunter2')).toBe(false);
    expect(seal(key, Buffer.from('hunter2'), 'bot a')).not.toEqual(sealed);
    expect(open(key, sealed, 'bot a').toString()).toBe('hunter2');
    expect(openText(key, sealText(key, 'Пароль', 'bot a'), 'bot a')).toBe('Пароль');
  });

  it('cannot be opened with another key or for another bot, nor changed at any byte, nor cut anywhere', () => {
    const sealed = seal(key, Buffer.from('hunter2'), 'bot a');
    expect(() => open(other, sealed, 'bot a')).toThrow();
    expect(() => open(key, sealed, 'bot b')).toThrow();
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => open(key, changed, 'bot a'), `byte ${at}`).toThrow();
      expect(() => open(key, sealed.subarray(0, at), 'bot a'), `the first ${at} bytes`).toThrow();
    }
    expect(openText(key, '', 'bot a')).toBeUndefined();
    expect(openText(key, 'no base64 at all', 'bot a')).toBeUndefined();
  });

  it('takes one key object for each secret', () => {
    expect(keyObjectOf(key)).toBe(keyObjectOf(key));
    expect(keyObjectOf(key)).not.toBe(keyObjectOf(other));
  });
});
