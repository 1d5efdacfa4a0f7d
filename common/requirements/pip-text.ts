/**
 * A requirements file as pip reads it, as far as the platform must know: which other files it names. What a line means is
 * pip's to say. https://pip.pypa.io/en/stable/reference/requirements-file-format/. Pure, and linear in the text.
 */

/** A line as pip sees it: joined with its continuations, without comments and outer white space. */
export interface PipLine {
  readonly text: string;
  /** Where it begins, from 1. */
  readonly number: number;
}

/** What a line asks for beside the package index. */
export type Mention =
  /** `-r FILE` or `-c FILE`. */
  | { readonly kind: 'file'; readonly path: string }
  /** A folder or an archive of the bot itself, such as `-e .`. */
  | { readonly kind: 'source' };

/** The text by its byte order mark, as pip decodes it; what is no UTF-8 is Latin-1, in which all that steers pip reads the same. */
export function decodePipText(bytes: Uint8Array): string {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe && third === 0 && fourth === 0) return utf32(bytes.subarray(4), true);
  if (first === 0 && second === 0 && third === 0xfe && fourth === 0xff) return utf32(bytes.subarray(4), false);
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}

function utf32(bytes: Uint8Array, littleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const letters: string[] = [];
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    const code = view.getUint32(at, littleEndian);
    letters.push(code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd');
  }
  return letters.join('');
}

/** The lines that say something. */
export function pipLines(text: string): readonly PipLine[] {
  const lines: PipLine[] = [];
  let parts: string[] = [];
  let number = 0;
  const end = () => {
    const joined = withoutComment(parts.join('')).trim();
    if (joined !== '') lines.push({ text: joined, number });
    parts = [];
  };
  // The line ends of Python's str.splitlines.
  for (const [index, line] of text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).entries()) {
    if (parts.length === 0) number = index + 1;
    // A comment ends a continued line: it is not part of it and is not itself continued.
    const isComment = /^\s*#/.test(line);
    if (!line.endsWith('\\') || isComment) {
      parts.push(isComment ? ` ${line}` : line);
      end();
    } else parts.push(line.slice(0, -1));
  }
  end();
  return lines;
}

/** By a scan: a regular expression would look for the end of the line from each "#" again where something odd precedes it. */
function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at >= 0; at = line.indexOf('#', at + 1)) {
    if (at === 0 || /\s/.test(line.charAt(at - 1))) return line.slice(0, at);
  }
  return line;
}

/** What a whole file mentions; made once for each file, whatever asks for it. */
export interface PipFile {
  readonly mentions: readonly { readonly mention: Mention; readonly number: number }[];
  readonly length: number;
}

export const readPipFile = (text: string): PipFile => ({
  mentions: pipLines(text).flatMap(({ text: line, number }) => {
    const mention = mentionOf(line);
    return mention === undefined ? [] : [{ mention, number }];
  }),
  length: text.length,
});

/** Undefined for a line that names no files: packages, links, and options about them. */
export function mentionOf(line: string): Mention | undefined {
  if (!line.startsWith('-')) return isLocal(line) ? { kind: 'source' } : undefined;
  const { name, value } = optionOf(line);
  if (value === '' || isLink(value)) return undefined;
  if (['-r', '--requirement', '-c', '--constraint'].includes(name)) return { kind: 'file', path: value };
  return ['-e', '--editable', '-f', '--find-links'].includes(name) ? { kind: 'source' } : undefined;
}

/** `--name=value`, `--name value`, `-n value` or `-nvalue`; the value without the quotes that a shell would take away. */
function optionOf(line: string): { readonly name: string; readonly value: string } {
  const [, name = '', rest = ''] = /^(--[a-z-]+|-[a-zA-Z])(.*)$/s.exec(line) ?? [];
  const value = rest.replace(/^=/, '').trim();
  const quote = value.charAt(0);
  const isQuoted = (quote === '"' || quote === "'") && value.length > 1 && value.endsWith(quote);
  return { name, value: isQuoted ? value.slice(1, -1) : value };
}

const isLink = (text: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(text);

/** As pip decides for anything but a link: a path has a separator or begins with a dot, an archive has the extension of one. */
function isLocal(line: string): boolean {
  const [requirement = ''] = line.split(/;| --/, 1);
  const text = requirement.trim();
  if (isLink(text)) return /^file:/i.test(text);
  const at = text.indexOf('@');
  if (at >= 0 && isLink(text.slice(at + 1).trim())) return /^file:/i.test(text.slice(at + 1).trim());
  return text.startsWith('.') || /[\\/]/.test(text) || /\.(?:whl|zip|tar\.(?:gz|bz2|xz)|tgz)$/i.test(text);
}
