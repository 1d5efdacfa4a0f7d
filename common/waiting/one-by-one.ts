/** The values of lists that come one after the other. */
export async function* oneByOne<T>(lists: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const list of lists) yield* list;
}
