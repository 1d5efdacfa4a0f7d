/** Links between our own pages lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

/** README.md, CHANGELOG.md and docs/, as far as they are written. */
function pages(): string[] {
  const docs = existsSync(checkoutPath('docs'))
    ? readdirSync(checkoutPath('docs'), { recursive: true, encoding: 'utf8' }).map((path) => join('docs', path))
    : [];
  return ['README.md', 'CHANGELOG.md', ...docs].filter(
    (path) => path.endsWith('.md') && existsSync(checkoutPath(path)),
  );
}

/** Targets within the project, without their #fragment; code blocks do not link. */
function targetsOf(page: string): string[] {
  const text = readFileSync(checkoutPath(page), 'utf8')
    .replace(/```[\s\S]*?```/g, '')
    .replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}

it('every link of README.md, CHANGELOG.md and docs/ leads to a file of the project', () => {
  const broken = pages().flatMap((page) =>
    targetsOf(page)
      .filter((target) => !existsSync(join(checkout, dirname(page), decodeURI(target))))
      .map((target) => `${page} -> ${target}`),
  );
  expect(broken).toEqual([]);
});
