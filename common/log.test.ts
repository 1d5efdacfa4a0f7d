import { expect, it } from 'vitest';
import { createLogger } from './log.ts';

function logged(work: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  work(createLogger('test', 'info', { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}
const systemError = (code: string, syscall?: string) =>
  Object.assign(new Error(code), { code, syscall, path: '/data/x' });

it('reports a disk that cannot be written to in one line without a stack, however often it fails', () => {
  const lines = logged((logger) => {
    for (let n = 0; n < 50; n += 1) {
      logger.warn({ err: systemError('ENOSPC', 'write'), bot: n }, 'a line could not be written');
      logger.error({ err: new Error('no result', { cause: systemError('EDQUOT', 'open') }) }, 'a result is lost');
      logger.child({ a: 1 }).warn({ err: Object.assign(new Error('full'), { errcode: 13 }) }, 'no commit');
    }
    logger.warn({ err: systemError('EROFS', 'mkdir') }, 'no folder');
    logger.warn({ err: systemError('EACCES', 'open') }, 'no file');
  });
  expect(lines.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^the disk that holds DATA_DIR is full: free some space on it; /),
    expect.stringMatching(/^the disk that holds DATA_DIR cannot be written to: mount it for writing; /),
    expect.stringMatching(/^no permission to write: fix the owner of DATA_DIR/),
  ]);
  expect(JSON.stringify(lines)).not.toContain('stack');
});

it('logs every other error with all that is known of it', () => {
  const lines = logged((logger) => {
    logger.warn({ err: new Error('a bug') }, 'it failed');
    logger.warn({ err: systemError('EACCES', 'spawn git') }, 'git cannot be run');
    logger.warn({ err: systemError('EACCES') }, 'the engine refuses');
    logger.info('fine');
  });
  expect(lines.map(({ msg }) => msg)).toEqual(['it failed', 'git cannot be run', 'the engine refuses', 'fine']);
  expect(lines[0]).toHaveProperty('err.stack');
});
