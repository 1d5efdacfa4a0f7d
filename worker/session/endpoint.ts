/** Where an orchestrator is reached. */
export interface Endpoint {
  /** As people know it. */
  readonly url: string;
  /** host:port, an IPv6 address in brackets. */
  readonly target: string;
  readonly tls: boolean;
  readonly loopback: boolean;
}
