/** The forms in which programs print a text: as it is, encoded, and quoted as their languages do. Pure. */

/** A longer text is not looked for in its encoded forms: a finder takes memory for each character of each form. */
const encodedMaxLength = 2048;

/** A shorter text would be found in ordinary words ("true", "5432") all over a log. */
export const leastLength = 8;

/**
 * The forms of a text of `leastLength` or more that a log should not show: those of `plainFormsOf` and, up to 2,048 characters,
 * URL-encoded and in JSON as other languages do it, hexadecimal, base64 (also within a longer text that was encoded), and what Python's repr and JavaScript's console.log print.
 */
export const formsOf = (text: string): readonly string[] =>
  text.length > encodedMaxLength
    ? plainFormsOf(text)
    : [
        ...[text, ...urlForms(text), ...jsonForms(text)],
        ...[...printedForms(text), ...encodedForms(text)].filter(isLongEnough),
      ];

/** As it is, URL-encoded, and in JSON, as JavaScript does both. */
export const plainFormsOf = (text: string): readonly string[] => [
  text,
  encodeURIComponent(text.toWellFormed()),
  JSON.stringify(text).slice(1, -1),
];

const isLongEnough = (form: string): boolean => form.length >= leastLength;

// encodeURIComponent throws on lone surrogates.
function urlForms(text: string): readonly string[] {
  const component = encodeURIComponent(text.toWellFormed());
  // RFC 3986 reserves these too, and Python and PHP encode them; `quote` of Python leaves the slash, forms write + for a space.
  const strict = component.replace(/[!'()*]/g, (character) => `%${hexOf(character, 2).toUpperCase()}`);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  const written = [component, strict, encodeURI(text.toWellFormed()), strict.replaceAll('%2F', '/')];
  const withPlus = written.map((encoded) => encoded.replaceAll('%20', '+'));
  return [...written, ...withPlus, form].flatMap((encoded) => [
    encoded,
    encoded.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()),
  ]);
}

function jsonForms(text: string): readonly string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const ascii = json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${hexOf(unit, 4)}`);
  return [json, ascii, json.replaceAll('/', '\\/'), ascii.replaceAll('/', '\\/')];
}

/** Between the quotes of Python's repr, ascii and bytes, and of what console.log shows of a string in an object. */
function printedForms(text: string): readonly string[] {
  const asByte = (unit: string) => `\\x${hexOf(unit, 2)}`;
  const repr = quoted(text, /[\u0000-\u001f\u007f-\u00a0\u00ad]/g, asByte);
  const ascii = quoted(text, /[\u0000-\u001f]|[\u007f-\u{10ffff}]/gu, pythonAscii);
  const javascript = quoted(text, /[\u0000-\u001f\u007f-\u009f]/g, (unit) => `\\x${hexOf(unit, 2).toUpperCase()}`);
  const bytes = quoted(Buffer.from(text).toString('latin1'), /[\u0000-\u001f\u007f-\u00ff]/g, asByte);
  // Each escapes the quote that it stands in.
  return [repr, ascii, javascript, bytes].flatMap((form) => [form, form.replaceAll("'", "\\'")]);
}

function quoted(text: string, special: RegExp, escaped: (character: string) => string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replace(special, escaped);
}

function pythonAscii(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${hexOf(character, 2)}`;
  return code <= 0xffff ? `\\u${hexOf(character, 4)}` : `\\U${hexOf(character, 8)}`;
}

const hexOf = (character: string, digits: number): string =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(digits, '0');

function encodedForms(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  const whole = bytes.toString('base64');
  const [unpadded = ''] = whole.split('=');
  const base64 = [whole, unpadded, ...[0, 1, 2].map((offset) => base64Within(bytes, offset))];
  return [hex, hex.toUpperCase(), ...base64, ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

/** The characters that stand for these bytes alone, in the base64 of a text in which 3n + `offset` bytes are before them (RFC 4648). */
function base64Within(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
