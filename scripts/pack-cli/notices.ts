/** Who wrote the code of others that is in the packed program, and by which licence. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

const licenceName = /^(licen[cs]e|notice)(\.(md|txt))?$/i;

/** The text of THIRD-PARTY-NOTICES.md for the packages in these folders. */
export function thirdPartyNotices(folders: readonly string[]): string {
  const parts = folders.map((folder) => {
    const { name, version, license } = manifestOf(folder);
    const texts = readdirSync(folder)
      .filter((file) => licenceName.test(file))
      .map((file) => `\n\`\`\`text\n${readFileSync(join(folder, file), 'utf8').trim()}\n\`\`\`\n`);
    return `## ${name} ${version}\n\nLicence: ${license}\n${texts.join('')}`;
  });
  return `# Third-party code in this package\n\n${parts.join('\n')}`;
}

// npm has read the same files when it installed the packages.
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
