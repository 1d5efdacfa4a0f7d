/** The page at "/": what this is, and how to connect. It reveals nothing that the reader may not know. Pure. */
import { version } from '#common/version.ts';
import type { Part } from './html.ts';

export const frontTitle = `Bot Runner ${version}`;

/** `url`: the address by which the reader reached this. */
export const frontParts = (url: string): readonly Part[] => [
  {
    text: 'Bot Runner runs long-lived bots, each in a container of its own. This is its orchestrator: the address for the command line, REST, gRPC and Connect.',
  },
  { text: 'Connect with the command line. You get a token from whoever runs this server:' },
  {
    lines: [`export AVTOMATIKA_URL=${url}`, 'export AVTOMATIKA_TOKEN=YOUR_TOKEN', 'avtomatika-bot list'],
  },
  { text: 'Or with any HTTP client:' },
  {
    lines: [
      `curl ${url}/health`,
      `curl ${url}/jobs -H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" -d '{"blueprint":"bot_runner","data":{"action":"list"}}'`,
    ],
  },
  {
    text: 'The documentation comes with the source: README.md, docs/CLI.md, docs/REST.md, docs/GRPC.md, and docs/ru/ in Russian.',
  },
];

/** A name or an address, and a port; anything else that a Host may be is not repeated. */
const plainHost = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** The address as the client wrote it, if it is a plain one. `forwardedProto` is what a proxy in front says. */
export function addressOf(host: string | undefined, encrypted: boolean, forwardedProto: string | undefined): string {
  if (host === undefined || !plainHost.test(host)) return 'http://localhost:8000';
  return `${encrypted || forwardedProto === 'https' ? 'https' : 'http'}://${host}`;
}
