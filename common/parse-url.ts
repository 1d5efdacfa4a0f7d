/** A URL from a text, or null: URL.parse(), which the oldest Node.js of the command line (20) has not. */
export function parseUrl(text: string, base?: string): URL | null {
  try {
    return new URL(text, base);
  } catch {
    // The one thing it throws for: the text is no URL.
    return null;
  }
}
