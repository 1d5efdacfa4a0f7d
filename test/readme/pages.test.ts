/** The pages name only what is there. Links are followed by test/house/readme-links.test.ts; here it is the rest. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(checkoutPath('docs'), { recursive: true, encoding: 'utf8' }).map((path) => join('docs', path)),
].filter((path) => path.endsWith('.md'));

const textOf = (page: string): string => readFileSync(checkoutPath(page), 'utf8');
const withoutBlocks = (text: string): string => text.replace(/```[\s\S]*?```/g, '');

/** The anchor that GitHub makes of a heading: lower case, no punctuation, dashes for spaces. */
const anchorsOf = (page: string): readonly string[] =>
  [...withoutBlocks(textOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe.each(pages)('%s', (page) => {
  const text = withoutBlocks(textOf(page));

  it('links to headings that exist', () => {
    const links = [...text.matchAll(/\]\(([^)\s#]*)#([^)\s]+)\)/g)].filter(
      ([, target = '']) => !/^[a-z]+:/.test(target),
    );
    const broken = links.filter(([, target = '', anchor = '']) => {
      const path = target === '' ? page : join(dirname(page), target);
      return !anchorsOf(path).includes(decodeURI(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it('names files and folders of the project that exist', () => {
    // A capital word stands for a name to be chosen: worker/runtime/NAME/.
    const rooms = /^(bench|cli|common|docs|examples|gen|orchestrator|proto|scripts|test|worker)\/[\w./-]*$/;
    const named = [...text.matchAll(/`([^`\n]+)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => rooms.test(path) && !/\b[A-Z]{3,}\b(?!\.md)/.test(path));
    expect(named.filter((path) => !existsSync(join(checkout, path)) && !isOnDiskOnly(path))).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const named = [...textOf(page).matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !Object.hasOwn(packageJson.scripts, name))).toEqual([]);
  });
});

/** Paths below DATA_DIR that begin like a room of the checkout. */
const isOnDiskOnly = (path: string): boolean =>
  /^(orchestrator\/(store\.sqlite|secrets\.key)|worker\/(worker-id|store-id|clock|taken\.json|private-images\.json|store-history|credential|key|firewall|lock|spare|bots\/|logs\/|results\/|artifacts\/|process\/|code\/))$/.test(
    path,
  );
