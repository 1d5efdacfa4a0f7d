import { expect, it } from 'vitest';
import { ConfigError } from './env-config.ts';
import { explainStartError } from './run-program.ts';

const systemError = (code: string, facts: object = {}) =>
  Object.assign(new Error(`${code}: words of the system`), { code, ...facts });
const folder = { path: '/data/worker' };

it.each<[Error, string]>([
  [new ConfigError(['PORT is wrong', 'HOST is wrong']), 'PORT is wrong\nHOST is wrong'],
  [systemError('EADDRINUSE', { address: '127.0.0.1', port: 8000 }), 'port 8000 on 127.0.0.1 is in use'],
  [systemError('EADDRINUSE', { address: '/run/x.sock', port: -1 }), '/run/x.sock is in use'],
  [systemError('EADDRNOTAVAIL', { address: '10.0.0.9' }), 'this machine has no address 10.0.0.9'],
  [
    systemError('ENOTFOUND', { hostname: 'nosuch.invalid' }),
    'nosuch.invalid is neither an address nor a name that resolves',
  ],
  [systemError('EACCES', { port: 80, address: '0.0.0.0' }), 'no permission to listen on port 80'],
  [systemError('EACCES', { port: -1, address: '/run/x.sock' }), 'no permission for /run/x.sock'],
  [systemError('EACCES', folder), 'no permission for /data/worker'],
  [systemError('ENOENT', { path: '/tls/cert.pem' }), '/tls/cert.pem does not exist'],
  [systemError('EEXIST', folder), '/data/worker is not a folder'],
  [systemError('ENOTDIR', folder), '/data/worker is not a folder'],
  [systemError('EISDIR'), 'a folder stands where a file should be'],
  [systemError('EROFS', folder), '/data/worker is on a read-only disk'],
  [systemError('ENOSPC', folder), 'the disk is full (/data/worker)'],
  [
    systemError('ENOENT', { ...folder, syscall: 'mkdir' }),
    '/data/worker cannot be created: its disk is read-only or gone',
  ],
  [systemError('ERR_SQLITE_ERROR', { errcode: 13 }), 'the disk that holds DATA_DIR is full: free some space on it'],
  [systemError('ERR_SQLITE_ERROR', { errcode: 8 + 256 }), 'the disk that holds DATA_DIR cannot be written to'],
  [systemError('ERR_SQLITE_ERROR', { errcode: 14 }), 'no permission to write'],
  [systemError('ELOOP', folder), '/data/worker cannot be resolved'],
  [systemError('ERR_OSSL_PEM_NO_START_LINE'), 'TLS_CERT and TLS_KEY are not a certificate chain and its private key'],
])('%s is reported in one line each', (error, line) => {
  expect(explainStartError(error)?.startsWith(line)).toBe(true);
});

it('a bug is logged with all that is known of it', () => {
  expect(explainStartError(new Error('a bug'))).toBeUndefined();
  expect(explainStartError(new TypeError('a bug'))).toBeUndefined();
  expect(explainStartError('thrown')).toBeUndefined();
});
