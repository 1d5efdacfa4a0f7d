/** Takes known secret values out of a text that comes from elsewhere: an engine's error, a build's output. */
import { createStringFinder } from '#common/find-strings.ts';

const shown = '[redacted]';
// Values this short occur in ordinary texts by chance ("1", "true"), and could not be kept secret anyway.
const secretMinLength = 4;

/** Replaces every occurrence of a value in a text; also of the value as it stands inside JSON or Go quotes. */
export function createRedactor(secrets: Iterable<string>): (text: string) => string {
  const needles = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < secretMinLength) continue;
    needles.add(secret);
    needles.add(JSON.stringify(secret).slice(1, -1));
    // Engines cut a value at a NUL or a line end when they print it.
    for (const part of secret.split(/[\0\r\n]/)) if (part.length >= secretMinLength) needles.add(part);
  }
  const find = createStringFinder(needles);
  return (text) => {
    let result = '';
    let at = 0;
    for (const { start, end } of find(text)) {
      result += text.slice(at, start) + shown;
      at = end;
    }
    return result + text.slice(at);
  };
}

/** The same for one text. */
export const redact = (text: string, secrets: Iterable<string>): string => createRedactor(secrets)(text);
