/** Bots and builds that try to connect, and say what came of it. */
import { Secret } from '#common/secret.ts';
import { FileSet } from '../../kit/base-images/file-set.ts';
import { callEngine } from '../../kit/private-engine/engine-api.ts';

export const proberImage = 'egress-prober:1';

/** Arguments: NAME=HOST:PORT. A connection that was taken says "reached", any other end "no" and the reason. */
const program = `import os, socket, sys
socket.setdefaulttimeout(4)
for probe in os.environ["PROBES"].split():
    name, place = probe.split("=", 1)
    host, port = place.rsplit(":", 1)
    try:
        with socket.create_connection((host.strip("[]"), int(port))) as connection:
            print(name, connection.recv(16).decode() or "reached", flush=True)
    except OSError as error:
        print(name, "no", os.strerror(error.errno) if error.errno else type(error).__name__, flush=True)
print("done", flush=True)
`;

/** Puts the image with the program on the engine: python:3.11-slim, and what it runs by itself. */
export async function loadProber(dockerHost: string): Promise<void> {
  const files = new FileSet();
  files.text('/probe.py', program);
  files.text('/Dockerfile', 'FROM python:3.11-slim\nCOPY probe.py /probe.py\nCMD ["python3", "/probe.py"]\n');
  const path = `/build?t=${proberImage}`;
  const { status, text } = await callEngine(dockerHost, path, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: 60_000,
  });
  if (status !== 200 || text.includes('"error"')) throw new Error(text);
}

export type Probes = Readonly<Record<string, string>>;

export const probesText = (probes: Probes): string =>
  Object.entries(probes)
    .map(([name, place]) => `${name}=${place}`)
    .join(' ');

export const probesEnv = (probes: Probes) => new Secret({ PROBES: probesText(probes) });

/** From the lines that the program printed. */
export const outcomes = (lines: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    lines.flatMap((line) => {
      const match = /^(?:.* )?([a-z0-9-]+) (reached|no .*)$/.exec(line);
      return match ? [[match[1], match[2]]] : [];
    }),
  );
