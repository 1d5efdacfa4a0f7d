/** Compares the answer that a page shows with the one that came: what differs from run to run counts as the same. */

// Anywhere in a text: logs hold times too.
const varying: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'],
  [/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, '<ulid>'],
  [/\b[0-9a-f]{64}\b/g, '<sha256>'],
];

/** The JSON text with all that varies replaced. Keys may stand in any order. */
export function comparable(json: string): unknown {
  const value: unknown = JSON.parse(json);
  return withoutVarying(value, '');
}

function withoutVarying(value: unknown, key: string): unknown {
  if (key === 'worker_id') return '<worker>';
  // Known or not any more after a stop: both are right.
  if (key === 'container_name' && value === null) return '<container>';
  if (typeof value === 'string') {
    const text = varying.reduce((left, [pattern, word]) => left.replace(pattern, word), value);
    return key === 'container_name' ? '<container>' : text;
  }
  if (Array.isArray(value)) return value.map((item) => withoutVarying(item, ''));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutVarying(member, name)]));
}
