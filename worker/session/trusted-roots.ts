/**
 * Who may vouch for the orchestrator. Node.js adds NODE_EXTRA_CA_CERTS to its own by itself, unless something hands it a list:
 * then gRPC's own variable would make the other one void.
 */
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';

/** Undefined: Node.js knows. Throws when the file that the variable names cannot be read. */
export function trustedRoots(env: NodeJS.ProcessEnv): string | undefined {
  const path = env['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'];
  return path ? [...getCACertificates('default'), readFileSync(path, 'utf8')].join('\n') : undefined;
}
