/** The ONBUILD steps of a base image, which the engine carries out in builds on top of it. Pure. */
import { mayAddRemote } from './features.ts';
import { parseInstruction } from './instruction.ts';
import { readDockerfileLines } from './lines.ts';

/** Whether a step may copy from an image or an address, or share a cache. What cannot be read may do anything. */
export function copiesFromElsewhere(trigger: string): boolean {
  const read = readDockerfileLines(trigger);
  const [line, ...more] = read.ok ? read.value.lines : [];
  if (line === undefined || more.length > 0) return true;
  const parsed = parseInstruction(line);
  if (!parsed.ok) return true;
  const { keyword, options } = parsed.value;
  if (keyword === 'ADD') return mayAddRemote(parsed.value, '\\');
  if (keyword === 'RUN') return options.length > 0;
  return keyword === 'COPY' && options.some(({ name }) => name === 'from');
}
