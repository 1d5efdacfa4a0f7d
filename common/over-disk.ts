/** How the end of a bot that had written more than it may is told from one of its own making. Pure. */
const beginning = 'stopped because it ';

/** `what`: "has written 1.2 GiB of 1.0 GiB in /data: ..." */
export const overDiskReason = (what: string): string => `${beginning}${what}`;

/** Whether the reason of a bot that has exited says that. */
export const isOverDiskReason = (reason: string): boolean => reason.startsWith(beginning);
