/** Pages for browsers: no script, nothing from elsewhere, and every text that is put in is escaped. Pure. */
import { createHash } from 'node:crypto';

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:46rem;margin:3rem auto;padding:0 1rem}
pre{padding:.8rem 1rem;overflow-x:auto;border:1px solid #8886;border-radius:.4rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9rem}`;

const styleHash = createHash('sha256').update(style).digest('base64');

/** What a browser may do with a page: show it. https://www.w3.org/TR/CSP3/ */
export const pageHeaders = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** A paragraph, or lines to be typed. */
export type Part = { readonly text: string } | { readonly lines: readonly string[] };

export function htmlPage(title: string, parts: readonly Part[]): string {
  const body = parts.map((part) =>
    'text' in part ? `<p>${escapeHtml(part.text)}</p>` : `<pre><code>${escapeHtml(part.lines.join('\n'))}</code></pre>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body.join('\n')}
</body>
</html>
`;
}

/** The same for terminals. */
export const textPage = (title: string, parts: readonly Part[]): string =>
  `${[title, ...parts.map((part) => ('text' in part ? part.text : part.lines.map((line) => `  ${line}`).join('\n')))].join('\n\n')}\n`;
