/** What a probe container runs: it tries to connect to the places, a few at a time because
 * Linux answers no host with many ICMP errors at once, and prints what came of each. Pure. */

/** `reached`: somebody answered, if only to say that nobody listens. `refused`: a firewall or a missing way. `silent`: nothing came back. */
export type ProbeOutcome = 'reached' | 'refused' | 'silent';

/** Arguments: NAME=HOST:PORT. Prints lines NAME OUTCOME. */
const python = `import concurrent.futures, errno, socket, sys

def probe(argument):
    name, place = argument.split("=", 1)
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), 5).close()
        return name, "reached"
    except ConnectionRefusedError:
        return name, "reached"
    except (TimeoutError, socket.timeout):
        return name, "silent"
    except OSError as error:
        return name, "refused" if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM) else "silent"

with concurrent.futures.ThreadPoolExecutor(3) as pool:
    for result in pool.map(probe, sys.argv[1:]):
        print(*result, flush=True)
`;

const node = `const net = require("node:net");
const unreachable = ["EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM"];
const waiting = process.argv.slice(1);
const next = () => {
  const argument = waiting.shift();
  if (argument === undefined) return;
  const [name, place] = argument.split(/=(.*)/s);
  const at = place.lastIndexOf(":");
  const host = place.slice(0, at).replace(/[[\\]]/g, "");
  const socket = net.connect({ host, port: Number(place.slice(at + 1)), timeout: 5000 });
  let outcome = "silent";
  socket.on("timeout", () => socket.destroy());
  socket.on("connect", () => { outcome = "reached"; socket.destroy(); });
  socket.on("error", ({ code }) => { outcome = code === "ECONNREFUSED" ? "reached" : unreachable.includes(code) ? "refused" : "silent"; });
  socket.on("close", () => { console.log(name, outcome); next(); });
};
for (let n = 0; n < 3; n += 1) next();
`;

/** Keeps a port open for a minute. */
const listening = {
  python: `import socket, time
server = socket.create_server(("0.0.0.0", 8080))
time.sleep(60)
`,
  node: 'require("node:net").createServer((socket) => socket.end()).listen({ port: 8080, signal: AbortSignal.timeout(60000) });',
};

export const listenerPort = 8080;

type Language = 'python' | 'node';

export const probeCommand = (language: Language, places: Readonly<Record<string, string>>): readonly string[] => {
  const named = Object.entries(places).map(([name, place]) => `${name}=${place}`);
  return language === 'python' ? ['python3', '-c', python, ...named] : ['node', '-e', node, '--', ...named];
};

export const listenCommand = (language: Language): readonly string[] =>
  language === 'python' ? ['python3', '-c', listening.python] : ['node', '-e', listening.node];

/** From what the program printed; the program prints every name it was given. */
export function probeOutcomes(output: string): ReadonlyMap<string, ProbeOutcome> {
  const found = new Map<string, ProbeOutcome>();
  for (const [, name = '', outcome] of output.matchAll(/^(\S+) (reached|refused|silent)$/gm)) {
    // The pattern lets nothing else through.
    found.set(name, outcome as ProbeOutcome);
  }
  return found;
}
