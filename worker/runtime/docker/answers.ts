/** The parts of the engine's answers that are used, read with care: a field that is absent or odd reads as empty. */

export type JsonRecord = Readonly<Record<string, unknown>>;

export const record = (value: unknown): JsonRecord =>
  // Arrays and null are objects too; neither has the requested fields.
  typeof value === 'object' && value !== null ? (value as JsonRecord) : {};
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
export const texts = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
