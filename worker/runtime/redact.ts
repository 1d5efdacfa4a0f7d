/** Takes known secret values out of a text that comes from elsewhere: an engine's error, a build's output. */

const shown = '[redacted]';
// Values this short stand in ordinary texts by chance ("1", "true"), and are no secrets one could keep.
const secretMinLength = 4;

/** The text with every occurrence of a value replaced; also of the value as it stands inside JSON or Go quotes. */
export function redact(text: string, secrets: Iterable<string>): string {
  const needles = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < secretMinLength) continue;
    needles.add(secret);
    needles.add(JSON.stringify(secret).slice(1, -1));
    // Engines cut a value at a NUL or a line end when they print it.
    for (const part of secret.split(/[\0\r\n]+/)) if (part.length >= secretMinLength) needles.add(part);
  }
  // Longest first: a value that holds another one goes as a whole.
  const ordered = [...needles].sort((a, b) => b.length - a.length);
  return ordered.reduce((result, needle) => result.replaceAll(needle, shown), text);
}
