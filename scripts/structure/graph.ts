/** What the imports say about the house: circles among files, and arrows that go up or sideways between rooms. Pure. */
import { floors } from '../walls/rooms.ts';
import type { Import } from './imports.ts';

/** Files that import one another, each group once; the paths of a group in order. */
export function circlesOf(imports: readonly Import[]): readonly (readonly string[])[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to, isOurs } of imports) {
    if (isOurs) next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  return stronglyConnected(next).filter((group) => group.length > 1 || next.get(group[0] ?? '')?.has(group[0] ?? ''));
}

/** Tarjan's algorithm, without recursion: a chain of imports is as long as it is. */
function stronglyConnected(next: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const groups: string[][] = [];
  for (const start of next.keys()) {
    if (index.has(start)) continue;
    const path: { readonly node: string; readonly rest: Iterator<string> }[] = [];
    const enter = (node: string) => {
      index.set(node, index.size);
      low.set(node, index.get(node) ?? 0);
      open.push(node);
      isOpen.add(node);
      path.push({ node, rest: (next.get(node) ?? new Set<string>()).values() });
    };
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { node, rest } = top;
      const step = rest.next();
      if (!step.done) {
        const to = step.value;
        if (!index.has(to)) enter(to);
        else if (isOpen.has(to)) low.set(node, Math.min(low.get(node) ?? 0, index.get(to) ?? 0));
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above) low.set(above.node, Math.min(low.get(above.node) ?? 0, low.get(node) ?? 0));
      if (low.get(node) !== index.get(node)) continue;
      const group = open.splice(open.indexOf(node));
      for (const member of group) isOpen.delete(member);
      groups.push(group.sort());
    }
  }
  return groups;
}

/** A room of a program: "worker/bots"; the files beside the rooms are "worker/.". */
export interface Room {
  readonly program: string;
  readonly name: string;
}

export function roomOf(path: string): Room {
  const [program = '', ...rest] = path.split('/');
  return { program, name: rest.length > 1 ? (rest[0] ?? '') : '.' };
}

/** Between rooms of one program, among which are those that the table does not name; one line of text each. */
export interface WrongArrow extends Import {
  readonly why: string;
}

/** Arrows that break the table of floors. */
export const wrongArrows = (imports: readonly Import[]): readonly WrongArrow[] =>
  imports.flatMap((arrow) => {
    const why = arrow.isOurs ? whyWrong(roomOf(arrow.from), roomOf(arrow.to)) : undefined;
    return why === undefined ? [] : [{ ...arrow, why }];
  });

function whyWrong(from: Room, to: Room): string | undefined {
  const plan = floors[from.program];
  if (plan === undefined || from.program !== to.program || from.name === to.name) return undefined;
  const [at, toAt] = [from, to].map(({ name }) => plan.findIndex((rooms) => rooms.includes(name)));
  if (at === undefined || at < 0) return `${from.program}/${from.name} is not in the table of rooms`;
  if (toAt === undefined || toAt < 0) return `${to.program}/${to.name} is not in the table of rooms`;
  if (at === toAt) return `${from.name} and ${to.name} are on one floor`;
  return at > toAt ? `${to.name} is above ${from.name}` : undefined;
}

/** Pairs of rooms of a program with an arrow between them, each once. */
export function roomArrows(imports: readonly Import[], program: string): readonly (readonly [string, string])[] {
  const pairs = new Map<string, readonly [string, string]>();
  for (const { from, to, isOurs } of imports) {
    if (!isOurs) continue;
    const [a, b] = [roomOf(from), roomOf(to)];
    if (a.program === program && b.program === program && a.name !== b.name) {
      pairs.set(`${a.name} ${b.name}`, [a.name, b.name]);
    }
  }
  return [...pairs.values()];
}

export const arrowCount = (imports: readonly Import[], program: string): number => roomArrows(imports, program).length;

/** Rooms that all need each other: whatever floors they are given, an arrow goes up. */
export function roomCircles(imports: readonly Import[], program: string): readonly (readonly string[])[] {
  const next = new Map<string, Set<string>>();
  for (const [from, to] of roomArrows(imports, program)) next.set(from, (next.get(from) ?? new Set()).add(to));
  return stronglyConnected(next).filter((group) => group.length > 1);
}
