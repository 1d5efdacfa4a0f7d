/** Content negotiation by Accept: RFC 9110, section 12.5.1. Pure. */

interface Range {
  readonly type: string;
  readonly quality: number;
}

function parseAccept(accept: string): readonly Range[] {
  return accept.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase());
    const given = parameters.find((word) => word.startsWith('q='))?.slice(2);
    const quality = given === undefined ? 1 : Number(given);
    return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  });
}

/** The most exact range that fits decides. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const [group = ''] = type.split('/');
  for (const wanted of [type, `${group}/*`, '*/*']) {
    const range = ranges.find((candidate) => candidate.type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

/** The offered type that the client prefers, the first of equals; the first when it accepts none. */
export function preferredType<const T extends string>(accept: string | undefined, offered: readonly [T, ...T[]]): T {
  const ranges = parseAccept(accept ?? '*/*');
  let best: T = offered[0];
  for (const type of offered) if (qualityOf(type, ranges) > qualityOf(best, ranges)) best = type;
  return best;
}
