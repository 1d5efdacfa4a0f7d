/** Whether nobody is left to answer to. The responses of HTTP/2 do not say so themselves, their streams do. */
export const isGone = (response: {
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
}): boolean => response.destroyed === true || response.stream?.destroyed === true;
