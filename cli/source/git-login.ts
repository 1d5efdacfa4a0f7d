/** The URL of a git repository as people write it: with user and password in it, or in ways that are not supported. Pure. */
import { parseUrl } from '#common/parse-url.ts';
import { Secret } from '#common/secret.ts';
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';

export interface LoginData {
  readonly username: string;
  readonly password: Secret;
}

export interface GitUrl {
  /** Without user and password. */
  readonly url: string;
  readonly login: LoginData | undefined;
}

const example = 'https://github.com/user/telegram-bot.git';

/** Takes user and password out of the URL. Throws CliError, which never shows any of it. */
export function splitGitUrl(text: string): GitUrl {
  // USER@HOST:PATH or HOST:PATH.
  if (/^[^/:]+:(?!\/\/)/.test(text) || /^(git\+)?ssh:/i.test(text)) {
    const https = httpsForm(text);
    throw refused(
      'Git over ssh is not supported: the worker does not have your key.',
      https === undefined
        ? `Use the https address of the repository, such as ${example}.`
        : `Write ${https}, or for a private repository https://TOKEN@${https.slice('https://'.length)}.`,
    );
  }
  const url = parseUrl(text);
  if (url === null || !/^(https?|git):$/.test(url.protocol) || url.hostname === '') {
    throw refused(
      'This is not the URL of a git repository.',
      `Give one such as ${example}; for a folder use --custom.`,
    );
  }
  if (url.search !== '' || url.hash !== '') {
    throw refused('The git URL contains "?" or "#".', 'Give the branch with --branch and the folder with --subdir.');
  }
  if (/\/(tree|blob)\//.test(url.pathname)) {
    throw refused(
      'This is the address of a folder, not of a repository.',
      'Write --git https://HOST/OWNER/REPOSITORY --branch BRANCH --subdir FOLDER.',
    );
  }
  const login = loginOf(url);
  url.username = '';
  url.password = '';
  return { url: url.href, login };
}

/** The same repository by https, for addresses such as git@HOST:PATH and ssh://git@HOST/PATH. The port of ssh is irrelevant. */
function httpsForm(text: string): string | undefined {
  const [, host, path] =
    /^(?:[\w.-]+@)?([a-z0-9-]+(?:\.[a-z0-9-]+)+):\/?([\w.~-]+(?:\/[\w.~-]+)*)\/?$/i.exec(text) ??
    /^(?:git\+)?ssh:\/\/(?:[\w.-]+@)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?\/([\w.~-]+(?:\/[\w.~-]+)*)\/?$/i.exec(
      text,
    ) ??
    [];
  return host === undefined || path === undefined ? undefined : `https://${host}/${path}`;
}

/** One part alone is a token, as in https://TOKEN@host/x.git. */
function loginOf({ username, password }: URL): LoginData | undefined {
  const [user, pass] = [decoded(username), decoded(password)];
  if (user === '' && pass === '') return undefined;
  return pass === '' ? { username: '', password: new Secret(user) } : { username: user, password: new Secret(pass) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A "%" that begins no escape stands for itself.
    return text;
  }
}

const refused = (message: string, hint: string): CliError =>
  complain(exitCodes.usage, 'INVALID_GIT_URL', message, hint);
