/**
 * An answer of HTTP/1.1 taken apart: its status, and its body without the chunks that it came in (RFC 9112, sections 4, 6 and 7). For
 * answers of very many small chunks, of which node:http makes an event each: the engine sends one for every line of a log. Pure.
 */

export interface AnswerParser {
  /** Undefined until the head is there. */
  readonly status: number | undefined;
  /** Whether the body has come to its end. */
  readonly isWhole: boolean;
  /**
   * Takes the next piece; returns what it holds of the body, which can be nothing. It is in the piece's own bytes, which are moved for
   * that. Throws on what is not such an answer.
   */
  push(piece: Buffer): Buffer;
  /** The connection was closed. Throws if the body has not come to its end. */
  end(): void;
}

/**
 * head, then for a body in chunks: size, extension, sizeFeed (its line feed), data, dataReturn and dataFeed (its line end), size again, and
 * after a size of 0 trailer. `all` is a body of known length, `rest` one that ends with the connection.
 */
type State =
  | 'head'
  | 'size'
  | 'extension'
  | 'sizeFeed'
  | 'data'
  | 'dataReturn'
  | 'dataFeed'
  | 'trailer'
  | 'all'
  | 'rest'
  | 'whole';

// The engine's are some hundred bytes.
const headMaxBytes = 64 * 1024;
// Of a chunk: 2 to the 44th bytes.
const sizeMaxDigits = 11;
const extensionMaxBytes = 4096;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const nothing = Buffer.alloc(0);

export function createAnswerParser(): AnswerParser {
  let status: number | undefined;
  let state: State = 'head';
  /** A head that has begun. */
  let held: Buffer = nothing;
  /** What is missing of the present chunk, or of a body of known length. */
  let missing = 0;
  /** Of a size, its digits; of an extension or a field of the trailer, its bytes. */
  let count = 0;

  /** Where the body begins in the piece; undefined when it does not. */
  const head = (piece: Buffer, at: number): number | undefined => {
    const known = held.length;
    held = Buffer.concat([held, piece.subarray(at, at + headMaxBytes)]);
    const end = held.indexOf('\r\n\r\n');
    if (end < 0 && held.length < headMaxBytes) return undefined;
    if (end < 0) throw new Error('an answer with a head that is too long');
    const head = readHead(held.toString('latin1', 0, end));
    held = nothing;
    if (head !== undefined) ({ status, state, missing } = head);
    return at + end + 4 - known;
  };

  /** One byte between the data of two chunks. */
  const step = (byte: number): void => {
    switch (state) {
      case 'size': {
        const digit = hexDigit(byte);
        if (digit >= 0 && count < sizeMaxDigits) {
          missing = missing * 16 + digit;
          count += 1;
          return;
        }
        if (count === 0 || digit >= 0) throw new Error('an answer with a chunk that has no size');
        count = 0;
        state = byte === carriageReturn ? 'sizeFeed' : 'extension';
        return;
      }
      case 'extension':
        count += 1;
        if (count > extensionMaxBytes) throw new Error('an answer with a chunk whose head is too long');
        if (byte === carriageReturn) state = 'sizeFeed';
        return;
      case 'sizeFeed':
        expectByte(byte, lineFeed);
        count = 0;
        state = missing === 0 ? 'trailer' : 'data';
        return;
      case 'dataReturn':
        expectByte(byte, carriageReturn);
        state = 'dataFeed';
        return;
      case 'dataFeed':
        expectByte(byte, lineFeed);
        count = 0;
        state = 'size';
        return;
      default:
        // The trailer: an empty line is its end.
        if (byte === lineFeed && count === 0) state = 'whole';
        else if (byte === lineFeed) count = 0;
        else if (byte !== carriageReturn) count += 1;
        if (count > extensionMaxBytes) throw new Error('an answer with a trailer that is too long');
    }
  };

  return {
    get status() {
      return status;
    },
    get isWhole() {
      return state === 'whole';
    },
    push(piece) {
      // The parts of the body are moved together, over the sizes between them.
      let start = 0;
      let length = 0;
      let at = 0;
      while (at < piece.length && state !== 'whole') {
        if (state === 'data' || state === 'all' || state === 'rest') {
          const end = state === 'rest' ? piece.length : Math.min(piece.length, at + missing);
          if (length === 0) start = at;
          else piece.copyWithin(start + length, at, end);
          length += end - at;
          missing -= end - at;
          at = end;
          if (state !== 'rest' && missing === 0) state = state === 'all' ? 'whole' : 'dataReturn';
        } else if (state === 'head') {
          at = head(piece, at) ?? piece.length;
        } else {
          step(piece[at] ?? 0);
          at += 1;
        }
      }
      return piece.subarray(start, start + length);
    },
    end() {
      if (state === 'rest') state = 'whole';
      if (state !== 'whole') throw new Error('an answer that was cut off');
    },
  };
}

/** Undefined for a head that only announces another one. */
function readHead(text: string): { status: number; state: State; missing: number } | undefined {
  const [first = '', ...fields] = text.split('\r\n');
  const code = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |$)/.exec(first)?.[1];
  if (code === undefined) throw new Error('an answer that is not HTTP');
  if (code.startsWith('1')) return undefined;
  const status = Number(code);
  const fieldOf = (name: string): string | undefined =>
    fields
      .find((field) => field.slice(0, name.length + 1).toLowerCase() === `${name}:`)
      ?.slice(name.length + 1)
      .trim();
  const length = fieldOf('content-length');
  if (status === 204 || status === 304) return { status, state: 'whole', missing: 0 };
  if (fieldOf('transfer-encoding')?.toLowerCase() === 'chunked') return { status, state: 'size', missing: 0 };
  if (length === undefined) return { status, state: 'rest', missing: 0 };
  if (!/^\d{1,13}$/.test(length)) throw new Error('an answer with a length that is no number');
  return { status, state: Number(length) === 0 ? 'whole' : 'all', missing: Number(length) };
}

function expectByte(byte: number, expected: number): void {
  if (byte !== expected) throw new Error('an answer with a chunk of another length than its size says');
}

/** -1 for what is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
