/**
 * How much is in an encoded message, found without decoding it: what is decoded takes many times the memory of its bytes.
 * Counted as common/json-text.ts counts the same message written as JSON, so that one bound holds for both. Pure.
 * See https://protobuf.dev/programming-guides/encoding/.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type JsonBounds, jsonBounds } from '#common/json-text.ts';
import { type Problem, problem } from '#common/problem.ts';
import type { Look } from '../body/growing-message.ts';

// In JSON it is not there: what it holds stands for itself.
const isTransparent = ({ typeName }: DescMessage): boolean => typeName === 'google.protobuf.Value';
const unknownGroupDepth = 64;
const mapValueNumber = 2;
// As many as an encoder writes for a value in a map: the entry, its key, its value, and what the Value holds.
const stepsPerValue = 4;

/**
 * What is too much; also undefined for bytes that are not such a message, which the decoder detects. The bytes may be the beginning of a
 * message of which the rest has not come: `isWhole` is false then.
 */
export function checkMessageBounds(
  desc: DescMessage,
  bytes: Uint8Array,
  { bounds = jsonBounds, isWhole = true }: { readonly bounds?: JsonBounds; readonly isWhole?: boolean } = {},
): Problem | undefined {
  try {
    new Walk(bytes, bounds, isWhole).message(desc, bytes.length, 1);
  } catch (error) {
    if (error instanceof TooMuch) return problem('MALFORMED_REQUEST', error.message, { hint });
  }
  return undefined;
}

const growth = 4;

/** Begins from the start each time: whenever it has become four times as long, which costs a third more than looking once. */
export const lookAtProtobuf = (desc: DescMessage, bounds: JsonBounds): Look => ({
  at: (soFar) => checkMessageBounds(desc, soFar, { bounds, isWhole: false }),
  nextAt: (length) => length * growth,
});

const hint = 'Send many or large files as one archive.';

class TooMuch extends Error {}

class Walk {
  readonly #bytes: Uint8Array;
  readonly #reader: BinaryReader;
  readonly #bounds: JsonBounds;
  readonly #isWhole: boolean;
  /** By number. Made once for each type: thousands of messages may be of one. */
  readonly #fields = new Map<DescMessage, ReadonlyMap<number, DescField>>();
  /** The message itself is the first. */
  #values = 1;
  /** Fields that were looked at, those among them for which there is no value in JSON. */
  #steps = 0;

  constructor(bytes: Uint8Array, bounds: JsonBounds, isWhole: boolean) {
    this.#bytes = bytes;
    this.#reader = new BinaryReader(bytes);
    this.#bounds = bounds;
    this.#isWhole = isWhole;
  }

  message(desc: DescMessage, end: number, depth: number): void {
    if (depth > this.#bounds.depthMax) {
      throw new TooMuch(`The message is nested more than ${this.#bounds.depthMax} levels deep.`);
    }
    const fields = this.#fieldsOf(desc);
    // What a Value holds was counted with it, in the list or object it is in.
    const counted = isTransparent(desc) ? 0 : 1;
    while (this.#reader.pos < end) {
      const [number, wireType] = this.#tag();
      const field = fields.get(number);
      if (wireType !== WireType.LengthDelimited || field === undefined) {
        this.#add(counted);
        this.#reader.skip(wireType, number, unknownGroupDepth);
      } else this.#field(field, this.#end(end), depth, counted);
    }
  }

  #fieldsOf(desc: DescMessage): ReadonlyMap<number, DescField> {
    const known = this.#fields.get(desc);
    if (known !== undefined) return known;
    const fields = new Map(desc.fields.map((field) => [field.number, field]));
    this.#fields.set(desc, fields);
    return fields;
  }

  #field(field: DescField, end: number, depth: number, counted: number): void {
    const { message } = field;
    if (field.fieldKind === 'map') {
      this.#add(1);
      if (message !== undefined) this.#entry(message, end, depth);
    } else if (message !== undefined) {
      this.#add(counted);
      this.message(message, end, isTransparent(message) ? depth : depth + 1);
    } else this.#add(packedValues(field, this.#bytes.subarray(this.#reader.pos, end), counted));
    this.#reader.pos = end;
  }

  /** The entry of a map is not there in JSON, and its value was counted. */
  #entry(value: DescMessage, end: number, depth: number): void {
    while (this.#reader.pos < end) {
      const [number, wireType] = this.#tag();
      if (number !== mapValueNumber || wireType !== WireType.LengthDelimited) {
        this.#reader.skip(wireType, number, unknownGroupDepth);
        continue;
      }
      const valueEnd = this.#end(end);
      this.message(value, valueEnd, isTransparent(value) ? depth : depth + 1);
      this.#reader.pos = valueEnd;
    }
  }

  #tag(): [number, WireType] {
    this.#steps += 1;
    if (this.#steps > this.#bounds.valuesMax * stepsPerValue) this.#add(this.#bounds.valuesMax);
    return this.#reader.tag();
  }

  #end(outerEnd: number): number {
    const end = this.#reader.uint32() + this.#reader.pos;
    if (end <= outerEnd) return end;
    if (this.#isWhole) throw new Error('a field is longer than the message it is in');
    // What has come of it is all that there is, and the walk ends there.
    return outerEnd;
  }

  #add(values: number): void {
    this.#values += values;
    if (this.#values > this.#bounds.valuesMax) {
      throw new TooMuch(`The message holds more than ${this.#bounds.valuesMax} values.`);
    }
  }
}

/** As many as a packed list has; else `alone`, as for text and bytes. */
function packedValues(field: DescField, bytes: Uint8Array, alone: number): number {
  if (field.fieldKind !== 'list') return alone;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return alone;
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
    case ScalarType.FLOAT:
      return bytes.length / 4;
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.DOUBLE:
      return bytes.length / 8;
    default:
      // The last byte of each number has its highest bit unset.
      return bytes.reduce((sum, byte) => sum + (byte < 0x80 ? 1 : 0), 0);
  }
}
