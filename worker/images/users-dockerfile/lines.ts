/**
 * A Dockerfile's text as logical lines: parser directives read, comments and blank lines out, continued lines joined, and the
 * bodies of here-documents taken with the line that opens them. As BuildKit's parser does it:
 * https://docs.docker.com/reference/dockerfile/#format. Pure, and linear in the text.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { type HereDocument, hereDocuments } from './here-documents.ts';

export interface LogicalLine {
  /** The number of its first line, from 1. */
  readonly line: number;
  /** How many lines of the text it takes, without the bodies of here-documents. */
  readonly span: number;
  readonly text: string;
  readonly hereDocuments: readonly HereText[];
}

/** A here-document with its lines. */
export interface HereText extends HereDocument {
  readonly lines: readonly string[];
}

export interface DockerfileLines {
  /** What joins lines and takes the meaning from a character: \ or `. */
  readonly escapeChar: '\\' | '`';
  /** The value of `# syntax=`. */
  readonly syntax: { readonly line: number; readonly value: string } | undefined;
  readonly lines: readonly LogicalLine[];
}

const directive = /^#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=(.*)$/;
/** Without the spaces and tabs at its end. A loop: a pattern would start over at each of them. */
function trimBlanks(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end -= 1;
  return line.slice(0, end);
}
/** As the engines that have here-documents, which drop all of them. */
function trimReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\r') end -= 1;
  return line.slice(0, end);
}
const isBlank = (line: string): boolean => line.trim() === '';
const isComment = (line: string): boolean => line.trimStart().startsWith('#');

/** BUILD_FAILED for a directive with a wrong value, an open here-document, and a line end that engines read differently. */
export function readDockerfileLines(text: string): Result<DockerfileLines> {
  const raw = text.split('\n').map(trimReturns);
  const head = readDirectives(raw);
  if (!head.ok) return head;
  const { escapeChar } = head.value;
  const lines: LogicalLine[] = [];
  let at = 0;
  while (at < raw.length) {
    const first = raw[at] ?? '';
    if (isBlank(first) || isComment(first)) {
      at += 1;
      continue;
    }
    const begin = at;
    const parts: string[] = [];
    for (let open = true; open && at < raw.length; at += 1) {
      const line = raw[at] ?? '';
      if (at > begin && (isBlank(line) || isComment(line))) continue;
      const end = trimBlanks(line);
      // Engines before 23 take the second of two as joining the lines, later ones do not.
      if (end.endsWith(escapeChar + escapeChar)) return fail(twoEscapes(at + 1));
      open = end.endsWith(escapeChar);
      parts.push(open ? end.slice(0, -1) : line);
    }
    // No more than this at its end: what is left must not end in an escape character that did not join lines before.
    const joined = trimBlanks(parts.join('').trimStart());
    const span = at - begin;
    const opened = hereDocuments(joined);
    const documents: HereText[] = [];
    for (const document of opened) {
      const end = endOf(raw, at, document);
      if (end < 0) return fail(openDocument(document.name, begin + 1));
      documents.push({ ...document, lines: raw.slice(at, end) });
      at = end + 1;
    }
    if (joined !== '') lines.push({ line: begin + 1, span, text: joined, hereDocuments: documents });
  }
  return ok({ escapeChar, syntax: head.value.syntax, lines });
}

/** Directives come at the very top; the first other line ends them. */
function readDirectives(raw: readonly string[]): Result<Pick<DockerfileLines, 'escapeChar' | 'syntax'>> {
  let escapeChar: DockerfileLines['escapeChar'] = '\\';
  let syntax: DockerfileLines['syntax'];
  const seen = new Set<string>();
  for (const [index, line] of raw.entries()) {
    const [, word = '', rest = ''] = directive.exec(line.trim()) ?? [];
    const name = word.toLowerCase();
    if (!['escape', 'syntax', 'check'].includes(name)) break;
    const value = rest.trim();
    if (seen.has(name)) {
      return fail(problem('BUILD_FAILED', `Line ${index + 1} of the Dockerfile repeats the directive "# ${name}=".`));
    }
    seen.add(name);
    if (name === 'syntax') syntax = { line: index + 1, value };
    if (name !== 'escape') continue;
    if (value !== '\\' && value !== '`') {
      return fail(
        problem('BUILD_FAILED', `Line ${index + 1} of the Dockerfile sets an unsupported escape character.`, {
          hint: 'Write "# escape=\\" or "# escape=`", or leave the line out.',
        }),
      );
    }
    escapeChar = value;
  }
  return ok({ escapeChar, syntax });
}

function endOf(
  raw: readonly string[],
  from: number,
  { name, stripTabs }: { name: string; stripTabs: boolean },
): number {
  for (let at = from; at < raw.length; at += 1) {
    const line = raw[at] ?? '';
    if ((stripTabs ? line.replace(/^\t+/, '') : line) === name) return at;
  }
  return -1;
}

const twoEscapes = (line: number): Problem =>
  problem(
    'BUILD_FAILED',
    `Line ${line} of the Dockerfile ends in two escape characters, which engines interpret differently.`,
    {
      hint: 'End the line with one, which joins it with the next, or add a character after them.',
    },
  );

const openDocument = (name: string, line: number): Problem =>
  problem('BUILD_FAILED', `The here-document ${name} that begins in line ${line} of the Dockerfile has no end.`, {
    hint: 'It ends with a line that holds its name and nothing else.',
  });
