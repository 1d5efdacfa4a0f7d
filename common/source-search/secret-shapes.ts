/**
 * Passwords and tokens that are known by their shape alone: the prefixes that services give theirs so that scanners can find them.
 * Where the shapes come from: the token formats that each service documents, as scanners such as gitleaks and trufflehog use them. A key without a shape
 * (40 hex digits) is not looked for: most such texts are none. Pure.
 */

/** `telegram` is not among the shapes below: it is matched exactly, see search.ts. */
export type SecretKind =
  | 'telegram'
  | 'aws'
  | 'github'
  | 'gitlab'
  | 'slack'
  | 'stripe'
  | 'google'
  | 'openai'
  | 'npm'
  | 'pypi'
  | 'discord'
  | 'private_key'
  | 'url_password';

/** As part of "there is ... in bot.py:3". */
export const kindNames: Readonly<Record<SecretKind, string>> = {
  telegram: 'a Telegram token',
  aws: 'an AWS access key',
  github: 'a GitHub token',
  gitlab: 'a GitLab token',
  slack: 'a Slack token',
  stripe: 'a Stripe live key',
  google: 'a Google API key',
  openai: 'an API key that begins with "sk-"',
  npm: 'an npm token',
  pypi: 'a PyPI token',
  discord: 'a Discord bot token',
  private_key: 'a private key',
  url_password: 'a URL with a password',
};

interface Shape {
  readonly kind: SecretKind;
  /** One of these is in every text that matches: to look for them costs less than to match. None: only files of code are matched. */
  readonly hints: readonly string[];
  /** The first group is what would be secret. Of bounded length, so that a text takes linear time. */
  readonly pattern: RegExp;
}

/** No match is longer, with what must stand around it. */
export const shapeLengthMax = 512;

const shapes: readonly Shape[] = [
  { kind: 'aws', hints: ['AKIA', 'ASIA'], pattern: /(?<![A-Za-z0-9])((?:AKIA|ASIA)[A-Z2-7]{16})(?![A-Za-z0-9])/g },
  { kind: 'github', hints: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], pattern: /(gh[pousr]_[A-Za-z0-9]{36,255})/g },
  { kind: 'github', hints: ['github_pat_'], pattern: /(github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})/g },
  { kind: 'gitlab', hints: ['glpat-'], pattern: /(glpat-[A-Za-z0-9_-]{20,64})/g },
  { kind: 'slack', hints: ['xox'], pattern: /(xox[abeprs]-[A-Za-z0-9]{8,32}-[A-Za-z0-9-]{8,200})/g },
  { kind: 'slack', hints: ['xapp-'], pattern: /(xapp-[0-9]-[A-Za-z0-9]{8,32}-[A-Za-z0-9-]{8,200})/g },
  { kind: 'stripe', hints: ['k_live_'], pattern: /([rs]k_live_[A-Za-z0-9]{20,120})/g },
  { kind: 'google', hints: ['AIza'], pattern: /(?<![A-Za-z0-9_-])(AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])/g },
  {
    kind: 'openai',
    hints: ['sk-'],
    pattern: /(?<![A-Za-z0-9_-])(sk-(?:(?:proj|svcacct|admin|ant|or)-[A-Za-z0-9_-]{32,200}|[A-Za-z0-9]{32,64}))/g,
  },
  { kind: 'npm', hints: ['npm_'], pattern: /(?<![A-Za-z0-9_-])(npm_[A-Za-z0-9]{36})(?![A-Za-z0-9_-])/g },
  { kind: 'pypi', hints: ['pypi-AgE'], pattern: /(pypi-AgE[A-Za-z0-9_-]{50,250})/g },
  {
    kind: 'private_key',
    hints: ['PRIVATE KEY'],
    // With some of the key itself: code that only looks for the line is no leak. "\n" in two characters is how JSON has it.
    pattern: /-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[\r\n ]){1,8}([A-Za-z0-9+/]{40})/g,
  },
  {
    kind: 'url_password',
    hints: ['://'],
    pattern:
      /(?<=[a-z0-9]):\/\/[^\s:@/"'`<>{}$\\]{0,64}:([^\s@/"'`<>{}$\\]{3,128})@(?!localhost|127\.|\[|(?:[a-z0-9-]{1,63}\.)?example\.)[A-Za-z0-9._-]{1,64}/g,
  },
  // An id in base64, which begins with a digit, a time and a signature.
  {
    kind: 'discord',
    hints: [],
    pattern: /(?<![A-Za-z0-9_.-])([MNO][A-Za-z0-9]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})(?![A-Za-z0-9_.-])/g,
  },
];

const placeholder =
  /example|sample|dummy|placeholder|change_?me|your|insert|redacted|x{5}|\*{3}|\.{3}|0{6}|1234567|abcdefgh|deadbeef/i;
const plainWord =
  /^(?:pass(?:word|wd)?|pwd?|secret|changeme|user(?:name)?|admin|root|postgres(?:ql)?|mysql|mongo(?:db)?|redis|rabbitmq|guest|test(?:ing)?|token|key|foo|bar|baz|hunter2|1234?5?6?|%.*|.*%[sd].*)$/i;
const distinctMin = 8;

/** Whether it only shows the shape. A real one looks random. */
function isPlaceholder(kind: SecretKind, value: string): boolean {
  if (placeholder.test(value)) return true;
  return kind === 'url_password' ? plainWord.test(value) : new Set(value.slice(4)).size < distinctMin;
}

/** The places in a text where something has the shape of a secret; `isCode`: also what can only be found slowly. */
export function* shapesIn(
  text: string,
  isCode: boolean,
): Generator<{ readonly kind: SecretKind; readonly start: number; readonly end: number }> {
  for (const { kind, hints, pattern } of shapes) {
    if (hints.length === 0 ? !isCode : !hints.some((hint) => text.includes(hint))) continue;
    for (const match of text.matchAll(pattern)) {
      if (!isPlaceholder(kind, match[1] ?? '')) yield { kind, start: match.index, end: match.index + match[0].length };
    }
  }
}
