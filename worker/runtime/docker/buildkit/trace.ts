/**
 * One piece of BuildKit's progress, which the engine wraps into the report of a build as base64 of protobuf: StatusResponse of
 * https://github.com/moby/buildkit/blob/master/api/services/control/control.proto. Only the fields that are used are read; what
 * else there is, is skipped. Pure.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** A step as far as it got. A message about it repeats with each change. */
export interface TraceStep {
  readonly id: string;
  readonly name: string;
  readonly isCached: boolean;
  readonly hasStarted: boolean;
  readonly hasEnded: boolean;
}

/** What a step printed: a piece of its output, wherever it was cut. */
export interface TraceOutput {
  readonly stepId: string;
  /** 1 for its standard output, 2 for its errors. */
  readonly stream: number;
  readonly bytes: Uint8Array;
}

export interface Trace {
  readonly steps: readonly TraceStep[];
  readonly outputs: readonly TraceOutput[];
}

/** The fields of a message by their numbers: text and bytes as bytes, numbers as they are, the last of each. */
type Fields = ReadonlyMap<number, readonly (Uint8Array | number)[]>;

/** Throws on what is no message. */
export function decodeTrace(base64: string): Trace {
  const fields = readFields(Buffer.from(base64, 'base64'));
  return {
    steps: messages(fields, 1).map((step) => ({
      id: textOf(step, 1),
      name: textOf(step, 3),
      isCached: numberOf(step, 4) !== 0,
      hasStarted: step.has(5),
      hasEnded: step.has(6),
    })),
    outputs: messages(fields, 3).map((output) => ({
      stepId: textOf(output, 1),
      stream: numberOf(output, 3),
      bytes: bytesOf(output, 4),
    })),
  };
}

function readFields(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | number)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const known = fields.get(number) ?? [];
    if (type === WireType.LengthDelimited) known.push(reader.bytes());
    else if (type === WireType.Varint) known.push(Number(reader.uint64()));
    else {
      reader.skip(type, number);
      continue;
    }
    fields.set(number, known);
  }
  return fields;
}

const nothing = new Uint8Array();

function bytesOf(fields: Fields, number: number): Uint8Array {
  const value = fields.get(number)?.at(-1);
  return value instanceof Uint8Array ? value : nothing;
}

const textOf = (fields: Fields, number: number): string => Buffer.from(bytesOf(fields, number)).toString('utf8');

function numberOf(fields: Fields, number: number): number {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'number' ? value : 0;
}

const messages = (fields: Fields, number: number): readonly Fields[] =>
  (fields.get(number) ?? []).flatMap((value) => (value instanceof Uint8Array ? [readFields(value)] : []));
