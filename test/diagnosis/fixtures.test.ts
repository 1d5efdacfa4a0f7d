/** The table of diagnoses on what real programs printed, each output whole. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOutput, recallDiagnosis } from '../../worker/diagnosis/diagnosis.ts';
import { createOwnModules } from '../../worker/diagnosis/own-modules.ts';
import { gitFailure } from '../../worker/fetch/git-failure.ts';
import { buildFailure, createOutputTail } from '../../worker/images/build-failure.ts';
import type { EngineRefusal } from '../../worker/runtime/docker/engine-errors.ts';
import { pullFailureKind, pullProblem } from '../../worker/runtime/docker/pull-failure.ts';
import { refusalMessage } from '../../worker/runtime/docker/refusal-message.ts';
import { expected } from './expected.ts';
import { type Fixture, parseFixture } from './fixture.ts';
import { unseenExpected } from './unseen-expected.ts';

const readFolder = (folder: string): ReadonlyMap<string, Fixture> =>
  new Map(
    readdirSync(join(import.meta.dirname, folder))
      .toSorted()
      .map((name) => [
        name.replace(/\.txt$/, ''),
        parseFixture(readFileSync(join(import.meta.dirname, folder, name), 'utf8')),
      ]),
  );
const fixtures = readFolder('fixtures');
const unseen = readFolder('unseen');

const unknown = 'nothing known';

function ownModulesOf(files: readonly string[]): readonly string[] {
  const modules = createOwnModules();
  for (const file of files) modules.add(file);
  return modules.names();
}

/** What a user reads. */
function diagnose({ kind, output, files }: Fixture): string {
  const lines = output.split('\n');
  if (kind === 'run') {
    const diagnosis = recallDiagnosis(undefined, 0);
    diagnosis.lines = 0;
    readOutput(diagnosis, lines, 0, new Set(ownModulesOf(files)));
    return diagnosis.text ?? unknown;
  }
  if (kind === 'git') {
    const { message, hint = '' } = gitFailure(
      output,
      output.includes('wrong@') || output.includes('Authentication failed'),
    );
    return message === 'The repository could not be fetched.' ? unknown : `${message} ${hint}`;
  }
  if (kind === 'refusal') {
    const { message, hint = '' } = refusalMessage('start', { status: 400, text: output } as EngineRefusal);
    return message.includes('(status 400)') ? unknown : `${message} ${hint}`;
  }
  if (kind === 'pull') {
    const { message, hint = '' } = pullProblem(pullFailureKind(output), 'team/bot:1', false);
    return `${message} ${hint}`;
  }
  const tail = createOutputTail();
  for (const line of lines) tail.add(line);
  const { message, hint = '' } = buildFailure(tail.lines(), unknown);
  return message === unknown ? unknown : `${message} ${hint}`;
}

describe('what a real program printed is explained by its cause', () => {
  it.each([...fixtures])('%s', (name, fixture) => {
    const says = expected[name];
    expect(says, 'an entry in expected.ts').toBeDefined();
    if (says !== undefined) expect(diagnose(fixture)).toMatch(says);
  });

  it('for at least 80 outputs, each with the command and the versions that printed it, 60 of them made by a command', () => {
    const all = [...fixtures.values()];
    expect(all.length).toBeGreaterThanOrEqual(80);
    expect(all.filter(({ command, versions }) => command === '' || versions === '')).toEqual([]);
    expect(all.filter(({ origin }) => origin === 'npm run diagnoses:regenerate').length).toBeGreaterThanOrEqual(60);
    expect(Object.keys(expected).filter((name) => !fixtures.has(name))).toEqual([]);
  });
});

describe('outputs that the rules were written without', () => {
  it('are explained right in at least 16 of 20, and never wrong', () => {
    const judged = [...unseen].map(([name, fixture]) => {
      const said = diagnose(fixture);
      const { says, never } = unseenExpected[name] ?? {};
      const verdict = said === unknown ? 'unknown' : says?.test(said) && !never?.test(said) ? 'right' : 'wrong';
      return { name, verdict, said };
    });
    expect(judged.length).toBeGreaterThanOrEqual(20);
    expect(judged.filter(({ verdict }) => verdict === 'wrong')).toEqual([]);
    const right = judged.filter(({ verdict }) => verdict === 'right').length;
    expect(
      right / judged.length,
      JSON.stringify(judged.filter(({ verdict }) => verdict !== 'right')),
    ).toBeGreaterThanOrEqual(0.8);
  });
});

it('no fixture names a package registry or a place of the machine that made it', () => {
  const traces = /registry\.npmjs|pypi\.org|pythonhosted|\/root\/|\/work\/|\/home\/|\/tmp\/diagnoses/;
  const found = [...fixtures, ...unseen].filter(
    ([, { output, command }]) => traces.test(output) || traces.test(command),
  );
  expect(found.map(([name]) => name)).toEqual([]);
});
