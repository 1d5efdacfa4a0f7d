/** Whether nobody is left to answer. HTTP/2 responses do not show it themselves; their streams do. */
export const isGone = (response: {
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
}): boolean => response.destroyed === true || response.stream?.destroyed === true;
