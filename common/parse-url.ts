/** A URL from a text, or null: URL.parse(), which the command line's oldest Node.js (20) lacks. */
export function parseUrl(text: string, base?: string): URL | null {
  try {
    return new URL(text, base);
  } catch {
    // The one thing it throws for: the text is no URL.
    return null;
  }
}
