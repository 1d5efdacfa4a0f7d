/**
 * Why an orchestrator cannot be talked to, in one true sentence with its cure. By the codes of Node.js and OpenSSL; what no
 * code says, whether the other side speaks TLS or HTTP/2 for example, is for the caller to find out. Pure.
 */

export type ConnectionFailure =
  | 'untrusted'
  | 'self-signed'
  | 'expired'
  | 'not-yet-valid'
  | 'other-name'
  | 'no-tls'
  | 'needs-tls'
  | 'no-http2'
  | 'not-an-orchestrator'
  | 'unknown-name'
  | 'no-name-server'
  | 'refused'
  | 'no-way'
  | 'silent'
  | 'closed';

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes and https://nodejs.org/api/errors.html#common-system-errors */
const byCode: Readonly<Record<string, ConnectionFailure>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'untrusted',
  CERT_UNTRUSTED: 'untrusted',
  CERT_SIGNATURE_FAILURE: 'untrusted',
  INVALID_CA: 'untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'untrusted',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other-name',
  HOSTNAME_MISMATCH: 'other-name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no-tls',
  ERR_SSL_HTTP_REQUEST: 'no-tls',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'no-http2',
  ENOTFOUND: 'unknown-name',
  EAI_NODATA: 'unknown-name',
  EAI_AGAIN: 'no-name-server',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'no-way',
  ENETUNREACH: 'no-way',
  EACCES: 'no-way',
  ETIMEDOUT: 'silent',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
};

/** Undefined for an error of any other kind. Some OpenSSL errors have their reason only in the message. */
export function connectionFailureOf(error: unknown): ConnectionFailure | undefined {
  for (let reason = error, depth = 0; reason instanceof Error && depth < 8; reason = reason.cause, depth += 1) {
    const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : '';
    if (Object.hasOwn(byCode, code)) return byCode[code];
    if (/wrong version number|packet length too long/i.test(reason.message)) return 'no-tls';
    // Every address of a name failed; the first says why.
    if (reason instanceof AggregateError) return connectionFailureOf(reason.errors[0]);
  }
  return undefined;
}

export interface FailureWords {
  /** The end of "cannot be reached: ...", without a full stop. */
  readonly sentence: string;
  /** What to do, as a sentence. */
  readonly cure: string;
}

/** `setting` is where the address comes from, such as ORCHESTRATOR_URL; `detail` what the other side said, or its names. */
export function describeConnectionFailure(
  failure: ConnectionFailure,
  { url, setting, detail = '' }: { readonly url: string; readonly setting: string; readonly detail?: string },
): FailureWords {
  const { hostname = url, host = url } = URL.parse(url) ?? {};
  const trust = 'Set NODE_EXTRA_CA_CERTS to a PEM file with the certificate of the authority that issued it.';
  switch (failure) {
    case 'untrusted':
      return { sentence: 'its certificate is not trusted: this machine does not know who issued it', cure: trust };
    case 'self-signed':
      return {
        sentence: 'its certificate is not trusted: it is self-signed',
        cure: 'Set NODE_EXTRA_CA_CERTS to a PEM file with this certificate.',
      };
    case 'expired':
      return {
        sentence: `its certificate has expired${detail === '' ? '' : ` on ${detail}`}`,
        cure: "Its operator has to renew the certificate; check this machine's clock as well.",
      };
    case 'not-yet-valid':
      return {
        sentence: `its certificate is not valid yet${detail === '' ? '' : `, only from ${detail} on`}`,
        cure: 'Check the clocks of both machines.',
      };
    case 'other-name':
      return {
        sentence: `its certificate is not for the name ${hostname}${detail === '' ? '' : `, but for ${detail}`}`,
        cure: `Set ${setting} to a name that the certificate is for.`,
      };
    case 'no-tls':
      return {
        sentence: 'it does not speak TLS',
        cure: `Set ${setting} to http://${host}, or set TLS_CERT and TLS_KEY on the orchestrator.`,
      };
    case 'needs-tls':
      return { sentence: 'it speaks TLS', cure: `Set ${setting} to https://${host}.` };
    case 'no-http2':
      return {
        sentence: 'whatever answers there does not speak HTTP/2, which gRPC needs',
        cure: 'A proxy in front of the orchestrator has to forward gRPC: DEPLOY.md has a configuration for it.',
      };
    case 'not-an-orchestrator':
      return {
        sentence: `whatever answers there is not an orchestrator${detail === '' ? '' : ` (${detail})`}`,
        cure: `Check ${setting}; a proxy in front of the orchestrator has to forward gRPC.`,
      };
    case 'unknown-name':
      return {
        sentence: `the name ${hostname} is not known`,
        cure: `Check ${setting} and this machine's name server.`,
      };
    case 'no-name-server':
      return {
        sentence: `the name ${hostname} cannot be looked up: no name server answers`,
        cure: "Check the network and this machine's name server.",
      };
    case 'refused':
      return { sentence: `nothing listens at ${host}`, cure: `Check that it runs and ${setting}.` };
    case 'no-way':
      return { sentence: `there is no route from this machine to ${host}`, cure: `Check the network and ${setting}.` };
    case 'silent':
      return {
        sentence: `${host} does not answer`,
        cure: `Check ${setting} and that no firewall is in the way.`,
      };
    case 'closed':
      return {
        sentence: `${host} closes the connection without a response`,
        cure: `Check that it runs and ${setting}.`,
      };
  }
}
