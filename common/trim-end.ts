/** A text without the `character`s it ends with. A pattern such as /\.+$/ looks from each of them to the end again. Pure. */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}
