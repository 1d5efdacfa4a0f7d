/**
 * Run by the container's health check: ends with 0 when the orchestrator of the same settings answers GET /health, else
 * with 1 and one line that says why.
 */
import http from 'node:http';
import https from 'node:https';

const limitMs = 3000;
const { HOST = '127.0.0.1', PORT = '8000', TLS_CERT } = process.env;
const everywhere = new Set(['', '0.0.0.0', '::']);

/** Resolves with what is wrong; empty when nothing is. */
function complaint(): Promise<string> {
  const options = {
    host: everywhere.has(HOST) ? '127.0.0.1' : HOST,
    port: PORT === '' ? '8000' : PORT,
    path: '/health',
    timeout: limitMs,
    // Whether it answers is asked here, not who it is: the certificate has another name than this address.
    rejectUnauthorized: false,
  };
  return new Promise((resolve) => {
    const request = (TLS_CERT ? https : http).get(options, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? '' : `GET /health was answered with ${response.statusCode}`);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${limitMs} ms`)));
    request.on('error', (error) => resolve(`the orchestrator does not answer: ${error.message}`));
  });
}

const found = await complaint();
process.stdout.write(found === '' ? 'healthy\n' : `${found}\n`);
process.exitCode = found === '' ? 0 : 1;
