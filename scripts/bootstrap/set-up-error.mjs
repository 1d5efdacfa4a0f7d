/** A set-up that could not be done. The message is ready to be shown: what happened, then a line with the cure. */
export class SetUpError extends Error {
  /**
   * @param {string} message
   * @param {number} [exitCode]
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'SetUpError';
    this.exitCode = exitCode;
  }
}
