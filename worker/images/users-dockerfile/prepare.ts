/**
 * Makes a user's Dockerfile into the one that the builder gets. It is read as a whole and written anew from what was understood, so that
 * no builder reads it differently: the image of each FROM is written out, stages are named in one way, options are written plainly, every
 * instruction stands on one line, and what a URL names is fetched before and copied. Names of images that bots were built as are
 * refused, since they can be guessed. What the builder does not do is refused before anything is built. Pure.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { type Lacking, lackingIn } from './features.ts';
import type { Frontend } from './frontend.ts';
import { type Instruction, parseInstruction } from './instruction.ts';
import { type DockerfileLines, readDockerfileLines } from './lines.ts';
import { rebuild } from './rebuild.ts';
import type { DockerfileTerms, PreparedDockerfile } from './terms.ts';

const shownMax = 5;

/** BUILD_FAILED, with the line, for what cannot be read, may not be built on, or is not in the builder. */
export function prepareDockerfile(text: string, terms: DockerfileTerms): Result<PreparedDockerfile> {
  const read = readDockerfileLines(text.replace(/^\uFEFF/, ''));
  if (!read.ok) return read;
  const { escapeChar, lines } = read.value;
  const instructions: Instruction[] = [];
  for (const line of lines) {
    const parsed = parseInstruction(line);
    if (!parsed.ok) return parsed;
    instructions.push(parsed.value);
  }
  const { frontend } = terms;
  const missing = [
    ...frontendIn(read.value),
    ...instructions.flatMap((instruction) => lackingIn(instruction, escapeChar, frontend)),
  ];
  if (missing.length > 0) return fail(notThere(missing, frontend));
  const rebuilt = rebuild(instructions, escapeChar, terms);
  if (!rebuilt.ok) return rebuilt;
  const { late, ...prepared } = rebuilt.value;
  return late.length > 0 ? fail(notThere(late, frontend)) : ok(prepared);
}

/** Another frontend than Docker's own reads another language. */
function frontendIn({ syntax }: DockerfileLines): readonly Lacking[] {
  if (syntax === undefined || /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]\S*)?$/.test(syntax.value)) {
    return [];
  }
  const hint = 'Leave the line out: Dockerfiles are read by what the builder has built in.';
  return [{ line: syntax.line, feature: '# syntax= of another frontend', hint, since: undefined }];
}

function notThere(missing: readonly Lacking[], { syntax }: Frontend): Problem {
  const [first] = missing;
  const named = missing.slice(0, shownMax).map(({ feature, line }) => `${feature} in line ${line}`);
  const more = missing.length > shownMax ? ` and ${missing.length - shownMax} more` : '';
  const features = missing.slice(0, 100).map(({ feature, line }) => ({ feature, line }));
  const needed = missing.reduce((most, { since = 0 }) => Math.max(most, since), 0);
  const isForbidden = missing.some(({ since }) => since === undefined);
  const why = isForbidden
    ? 'builds may not use that'
    : syntax === 0
      ? 'that needs BuildKit, and this worker builds without it'
      : `that needs the Dockerfile syntax 1.${needed}, and the builder of this worker has 1.${syntax}`;
  const operator =
    isForbidden || syntax > 0 ? '' : ' Or ask the operator for a worker with a separate builder, which has BuildKit.';
  return problem('BUILD_FAILED', `The Dockerfile uses ${named.join(', ')}${more}: ${why}.`, {
    details: { features },
    hint: `${first?.hint ?? ''}${operator}`,
  });
}
