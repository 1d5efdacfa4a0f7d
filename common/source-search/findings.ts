/** What a search of a source has found, and the words for it. Never holds a secret, or any part of one. Pure. */
import { kindNames, type SecretKind } from './secret-shapes.ts';

export interface Finding {
  readonly kind: SecretKind;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** A Telegram token that the bot may poll with; false for all else. */
  readonly isUsed: boolean;
}

const namedMax = 3;
const nameLengthMax = 120;

/** One line for each kind. `mayMove`: the source came with the deploy, so that --move-token can change it. */
export function warningsOf(findings: readonly Finding[], mayMove: boolean): readonly string[] {
  const kinds = [...new Set(findings.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const these = findings.filter((finding) => finding.kind === kind);
    const what = `there is ${kindNames[kind]} in ${placesText(these)}`;
    if (kind !== 'telegram') {
      return `${what}: anyone who gets the source can use it; pass it with -e NAME=... instead, and replace this one`;
    }
    const move =
      mayMove && these.some(({ isUsed }) => isUsed)
        ? 'deploy again with --move-token ("move_token": true) to move it into the environment'
        : 'pass it with -e BOT_TOKEN=... instead';
    return `${what}: anyone who gets the source can use it; ${move}, and revoke this one with @BotFather if others have seen it`;
  });
}

/** "bot.py:3, bot.py:9 and notes.md:1": some places, as many as people read. */
export function placesText(places: readonly Pick<Finding, 'file' | 'line'>[]): string {
  const named = places.slice(0, namedMax).map(({ file, line }) => `${nameOf(file)}:${line}`);
  return `${named.join(', ')}${places.length > namedMax ? ' and other places' : ''}`;
}

/** Plain names as they are; others, which a sender may choose to confuse a terminal, in quotes. */
const nameOf = (file: string): string => {
  const name = file.length > nameLengthMax ? `...${file.slice(-nameLengthMax)}` : file;
  return /^[\p{L}\p{N}\p{P}\p{S}]+(?: [\p{L}\p{N}\p{P}\p{S}]+)*$/u.test(name) ? name : JSON.stringify(name);
};
