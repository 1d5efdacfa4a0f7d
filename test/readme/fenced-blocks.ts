/** The fenced code blocks of a Markdown page, in order, each with what the comments on the lines before it say. */

export interface FencedBlock {
  /** The word after the fence: sh, json, js ...; empty when there is none. */
  readonly language: string;
  readonly text: string;
  /** Line of the page, from 1, where the text begins. */
  readonly line: number;
  /** The name a reader saves it under: the comment `<!-- file: client.mjs -->` on the line before the fence. */
  readonly file: string | undefined;
  /** The test that runs its commands instead: `<!-- run by: test/e2e/x.test.ts -->`. */
  readonly runBy: string | undefined;
  /** The exit code of its last command: `<!-- ends with: 1 -->`; else 0. */
  readonly endsWith: number;
}

export function fencedBlocks(markdown: string): readonly FencedBlock[] {
  const blocks: FencedBlock[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const language = /^```(\w*)$/.exec(lines[at] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`the code block of line ${at + 1} has no end`);
    const comments = commentsAbove(lines, at);
    const said = (key: string) =>
      comments.map((comment) => new RegExp(`^<!-- ${key}: (\\S+) -->$`).exec(comment)?.[1]).find(Boolean);
    blocks.push({
      language,
      text: lines.slice(at + 1, end).join('\n'),
      line: at + 2,
      file: said('file'),
      runBy: said('run by'),
      endsWith: Number(said('ends with') ?? 0),
    });
    at = end;
  }
  return blocks;
}

/** The lines of comments that stand directly above a line. */
function commentsAbove(lines: readonly string[], at: number): readonly string[] {
  let first = at;
  while (/^<!-- .* -->$/.test(lines[first - 1] ?? '')) first -= 1;
  return lines.slice(first, at);
}
