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
    const texts = licencesOf(folder).map((text) => `\n\`\`\`text\n${text.trim()}\n\`\`\`\n`);
    return `## ${name} ${version}\n\nLicence: ${license}\n${texts.join('')}`;
  });
  return `# Third-party code in this package\n\n${parts.join('\n')}`;
}

/** Its licence files, or else what its README says under that heading. */
function licencesOf(folder: string): string[] {
  const names = readdirSync(folder);
  const texts = (wanted: RegExp) =>
    names.filter((file) => wanted.test(file)).map((file) => readFileSync(join(folder, file), 'utf8'));
  const files = texts(licenceName);
  if (files.length > 0) return files;
  return texts(/^readme\.md$/i).flatMap((text) =>
    text.split(/^(?=## )/m).filter((part) => /^## licen[cs]e/i.test(part)),
  );
}

// npm has read the same files when it installed the packages.
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
