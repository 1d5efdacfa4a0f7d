/** The Idempotency-Key of a request, with the hash of what it asks for. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '#common/canonical-json.ts';
import { refuse } from '#common/problem.ts';

/** Undefined without the header. `body` is any JSON value that describes the request. */
export function readIdempotency(
  header: string | null | undefined,
  body: unknown,
): { readonly key: string; readonly bodySha256: string } | undefined {
  if (header === null || header === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(header)) {
    refuse('INVALID_IDEMPOTENCY_KEY', 'The Idempotency-Key is not valid.', {
      example: 'Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324',
    });
  }
  return { key: header, bodySha256: createHash('sha256').update(canonicalJson(body)).digest('hex') };
}
