/**
 * Descriptors of messages, read when the program is packed instead of each time it starts. protoc-gen-es embeds them as
 * base64, and reading that takes the descriptors of descriptors.proto, the largest of all: two thirds of the time until the
 * first call. Here every fileDesc("...") of generated code gets the object that it would have made of its text.
 */
import { pathToFileURL } from 'node:url';
import { create, type DescFile, type DescMessage } from '@bufbuild/protobuf';
import { file_google_protobuf_descriptor } from '@bufbuild/protobuf/wkt';
import type { Plugin } from 'rolldown';

const generated = /_pb\.js$/;
/** The module of @bufbuild/protobuf that exports fileDesc. */
const reader = /\/@bufbuild\/protobuf\/dist\/esm\/codegenv2\/file\.js$/;
const embedded = /\bfileDesc\("[^"]*"/;

export const readDescriptors: Plugin = {
  name: 'read-descriptors',
  transform: {
    filter: { id: [generated, reader] },
    async handler(code, id) {
      if (reader.test(id)) return readerOfObjects();
      if (!embedded.test(code)) return null;
      const { proto } = await fileOf(id);
      return code.replace(embedded, () => `fileDesc(${literal(proto)}`);
    },
  },
};

async function fileOf(path: string): Promise<DescFile> {
  const exported: Record<string, unknown> = await import(pathToFileURL(path).href);
  const name = Object.keys(exported).find((key) => key.startsWith('file_'));
  if (name === undefined) throw new Error(`${path} exports no file descriptor`);
  return exported[name] as DescFile; // what generated code exports under such a name
}

function literal(proto: DescFile['proto']): string {
  return JSON.stringify(proto, (key, value: unknown) => {
    if (key === '$unknown' || value instanceof Uint8Array)
      throw new Error(`${proto.name} has an option that is not known`);
    return value;
  });
}

/** The replacement for codegenv2/file.js: the same, without parsing a text. */
const readerOfObjects = (): string => `
import { createEmbeddedFileRegistry } from '../registry.js';

// Where a field that is not set finds its default, as messages of protobuf-es do.
const prototypes = ${JSON.stringify(prototypesOf(file_google_protobuf_descriptor.messages))};

function hydrate(value) {
  if (Array.isArray(value)) return value.map(hydrate);
  if (typeof value !== 'object' || value === null) return value;
  const message = Object.create(prototypes[value.$typeName]);
  for (const key in value) message[key] = hydrate(value[key]);
  return message;
}

export function fileDesc(plain, imports = []) {
  const root = hydrate(plain);
  const registry = createEmbeddedFileRegistry(root, (name) => imports.find((file) => file.proto.name === name));
  return registry.getFile(root.name);
}
`;

function prototypesOf(messages: readonly DescMessage[]): Record<string, object> {
  const known = messages.filter(({ typeName }) => typeName !== uninterpreted);
  return Object.assign(
    Object.fromEntries(known.map((message) => [message.typeName, Object.getPrototypeOf(create(message))])),
    ...known.map(({ nestedMessages }) => prototypesOf(nestedMessages)),
  );
}

/** An option that a compiler did not understand; there is none in what a compiler has accepted. */
const uninterpreted = 'google.protobuf.UninterpretedOption';
