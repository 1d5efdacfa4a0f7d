/**
 * Who decides what a bot's record says: places in the orchestrator that make a record out of another one with a field of its state
 * changed, `changed(bot, { desired: 'stopped' })` or `{ ...bot, desired: 'stopped' }`, or a new one whole. A record that somebody else made is passed on without being counted.
 */
import { lineOf, type ParsedFile, type SyntaxNode, walk } from './imports.ts';

/** Fields of BotRecord (orchestrator/core/records.ts) that say what the bot is and should be. */
const stateFields: ReadonlySet<unknown> = new Set([
  'desired',
  'state',
  'generation',
  'revision',
  'epoch',
  'workerId',
  'undo',
  'pendingTask',
  'specSealed',
  'observedGeneration',
]);

// What reads rows and what shows records make objects of the same shape.
const notWriters = /^orchestrator\/(?:store|views|server|fleet)\/|\/(?:shown|program)\.ts$/;

/** "path:line" of each. */
export function writersOfBots({ path, text, program }: ParsedFile): readonly string[] {
  if (!path.startsWith('orchestrator/') || notWriters.test(path)) return [];
  const found: string[] = [];
  walk(program, (node) => {
    if (makesBot(node) || (node.type === 'ObjectExpression' && changesBot(node)))
      found.push(`${path}:${lineOf(text, node.start)}`);
  });
  return found;
}

/** Whether a call makes a record, by the functions of core/bot/record.ts, the only ones that can. */
const makesBot = ({ type, callee }: SyntaxNode): boolean =>
  type === 'CallExpression' && /^(?:changed|botRecord|above)$/.test(nameOf(callee));

function changesBot(node: SyntaxNode): boolean {
  const parts = node['properties'] as readonly SyntaxNode[];
  const names = parts.map((part) => (part['key'] as SyntaxNode | undefined)?.['name']);
  const touched = names.filter((name) => stateFields.has(name)).length;
  const spreads = parts.some(
    ({ type, ...part }) => type === 'SpreadElement' && /bot|before|record/i.test(nameOf(part['argument'])),
  );
  return (spreads && touched > 0) || touched >= 6;
}

/** The name of a variable, or of the last property of a chain. */
function nameOf(node: unknown): string {
  const { name, property } = node as { readonly name?: string; readonly property?: { readonly name?: string } };
  return name ?? property?.name ?? '';
}
