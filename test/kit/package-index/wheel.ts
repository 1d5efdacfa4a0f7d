/** Makes Python wheels: https://packaging.python.org/en/latest/specifications/binary-distribution-format/. */
import { createHash } from 'node:crypto';
import { createZip } from './zip.ts';

export interface WheelSource {
  /** As in `pip install NAME`. */
  readonly name: string;
  readonly version: string;
  /** Modules by path, for example "aiogram/__init__.py". */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Requirements, for example "magic-filter>=1.0". */
  readonly requires?: readonly string[];
  /** Default ">=3.8". */
  readonly requiresPython?: string;
}

export interface Wheel {
  readonly fileName: string;
  /** The name as an index spells it (PEP 503). */
  readonly project: string;
  /** Empty: not stated to pip. */
  readonly requiresPython: string;
  readonly content: Buffer;
  /** Hexadecimal. */
  readonly sha256: string;
}

export function createWheel(source: WheelSource): Wheel {
  const { name, version, requires = [], requiresPython = '>=3.8' } = source;
  const distribution = name.replace(/[-_.]+/g, '_');
  const info = `${distribution}-${version}.dist-info`;
  const files = new Map(source.files);
  files.set(
    `${info}/METADATA`,
    lines([
      'Metadata-Version: 2.1',
      `Name: ${name}`,
      `Version: ${version}`,
      `Requires-Python: ${requiresPython}`,
      ...requires.map((requirement) => `Requires-Dist: ${requirement}`),
    ]),
  );
  files.set(
    `${info}/WHEEL`,
    lines(['Wheel-Version: 1.0', 'Generator: botrunner-test', 'Root-Is-Purelib: true', 'Tag: py3-none-any']),
  );
  const records = [...files].map(([path, content]) => {
    return `${path},sha256=${createHash('sha256').update(content).digest('base64url')},${content.length}`;
  });
  files.set(`${info}/RECORD`, lines([...records, `${info}/RECORD,,`]));
  const content = createZip(files);
  return {
    fileName: `${distribution}-${version}-py3-none-any.whl`,
    project: name.replace(/[-_.]+/g, '-').toLowerCase(),
    requiresPython,
    content,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}

/** A wheel that somebody else has made, by its file: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention. */
export function readWheel(fileName: string, content: Buffer): Wheel {
  const [distribution] = fileName.split('-');
  if (!fileName.endsWith('.whl') || !distribution) throw new Error(`${fileName} is not a wheel`);
  return {
    fileName,
    project: distribution.replace(/[-_.]+/g, '-').toLowerCase(),
    requiresPython: '',
    content,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}

const lines = (text: readonly string[]) => Buffer.from(`${text.join('\n')}\n`);
