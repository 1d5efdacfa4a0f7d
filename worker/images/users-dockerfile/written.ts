/** An instruction as the builder gets it: on one line, in one spelling, with only what was understood. Pure. */
import { copyWords, writtenJson, writtenWords } from './copy-words.ts';
import { isWithoutEffect } from './features.ts';
import type { Frontend } from './frontend.ts';
import type { Instruction, Option } from './instruction.ts';
import type { HereText } from './lines.ts';
import { jsonTexts } from './words.ts';

export interface Writing {
  readonly frontend: Frontend;
  readonly escapeChar: string;
}

/** COPY --link speeds up later builds where there is such a thing. */
const linkSince = 4;

const isKept = (keyword: string, option: Option, { syntax }: Frontend): boolean =>
  !isWithoutEffect(keyword, option) || (option.name === 'link' && option.value !== 'false' && syntax >= linkSince);

export function written(instruction: Instruction, writing: Writing): string {
  const { keyword, options, trigger, hereDocuments } = instruction;
  if (trigger !== undefined) return `${keyword} ${written(trigger, writing)}`;
  const kept = options
    .filter((option) => isKept(keyword, option, writing.frontend))
    .map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`));
  const text = [keyword, ...kept, writtenRest(instruction)].join(' ').trimEnd();
  return [text, ...hereDocuments.map(writtenDocument)].join('\n');
}

function writtenRest(instruction: Instruction): string {
  const { keyword, rest, hereDocuments } = instruction;
  if (hereDocuments.length > 0) return rest;
  if (keyword === 'COPY' || keyword === 'ADD') return writtenWords(copyWords(instruction));
  const list = jsonTexts(rest);
  if (list !== undefined) return writtenJson(list);
  // Two dashes end the options, for arguments that look like one.
  return rest.startsWith('--') ? `-- ${rest}` : rest;
}

const writtenDocument = ({ lines, name }: HereText): string => [...lines, name].join('\n');
