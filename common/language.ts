/** The languages that bots of the simple mode are written in. */
export type Language = 'python' | 'node';
