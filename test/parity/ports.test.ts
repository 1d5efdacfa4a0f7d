/**
 * The original's use cases 27 and 31: bots that serve metrics or a page at a port of their own. The product publishes no
 * port of a bot, whatever its image or a request says; what such a bot can do is dial out, as use case 25 does.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { runProgram } from '../kit/private-engine/run-program.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 120_000;

/** Serves at the port of its env, and looks whether it is reached there itself. */
const server = `import http.server, os, threading, time, urllib.request
port = int(os.environ.get("METRICS_PORT") or os.environ["WEB_PORT"])
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"up 1")
threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Page).serve_forever, daemon=True).start()
print("serves", urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode(), flush=True)
time.sleep(600)
`;
/** Looks from another container, by address and by name. */
const scraper = `import os, socket
for place in (os.environ["ADDRESS"], os.environ["NAME"]):
    try:
        socket.create_connection((place, int(os.environ["PORT"])), 3)
        print("reached", place)
    except OSError as error:
        print("not reached:", type(error).__name__)
print("done")
`;

describe.skipIf('skip' in docker)('ports of bots, on Docker', { timeout: longMs }, () => {
  const { host, namespacePath } = usableDocker(docker);
  let seed: SeedPlatform;
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
    mkdirSync(join(seed.dir, 'server'));
    writeFileSync(join(seed.dir, 'server/bot.py'), server);
    writeFileSync(
      join(seed.dir, 'server/Dockerfile'),
      'FROM python:3.11-slim\nCOPY bot.py /bot.py\nEXPOSE 9090 8000\nCMD ["python", "/bot.py"]\n',
    );
    writeFileSync(join(seed.dir, 'scraper.py'), scraper);
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(() => seed?.close(), longMs);

  it.each([
    ['UC 27: the metrics of METRICS_PORT=9090 are served inside only', 'METRICS_PORT', 9090],
    ['UC 31: the admin panel of WEB_PORT=8000 is served inside only', 'WEB_PORT', 8000],
  ])('%s: the product publishes no port', async (_line, variable, port) => {
    expect(await seed.run(`avtomatika-bot start server --custom /tmp/server/ -e ${variable}=${port}`)).toMatchObject({
      code: 0,
    });
    await seed.untilLogged('server', 'serves up 1');
    const { container_id, container_name } = await seed.platform.status('server');
    const inspect = JSON.parse((await callEngine(host, `/containers/${container_id}/json`)).text);
    expect(inspect.HostConfig.PortBindings ?? {}).toEqual({});
    expect(inspect.HostConfig.PublishAllPorts).toBe(false);
    expect(Object.values(inspect.NetworkSettings.Ports).filter((binding) => binding !== null)).toEqual([]);
    // Nothing of the engine's machine listens at it.
    const nsenter = namespacePath === undefined ? [] : ['nsenter', `--net=${namespacePath}`];
    const [program = 'ss', ...args] = [...nsenter, 'ss', '-Hltn'];
    expect((await runProgram(program, args)).split('\n').filter((line) => line.includes(`:${port} `))).toEqual([]);
    // Nor does another bot reach it.
    const address = inspect.NetworkSettings.Networks[inspect.HostConfig.NetworkMode].IPAddress;
    const env = `-e ADDRESS=${address} -e NAME=${container_name} -e PORT=${port}`;
    expect(await seed.run(`avtomatika-bot start scraper --simple /tmp/scraper.py ${env}`)).toMatchObject({ code: 0 });
    const log = await seed.untilLogged('scraper', 'done');
    expect(log.match(/^(not reached: |reached )/gm)).toEqual(['not reached: ', 'not reached: ']);
  });

  it('UC 27, 31: a request for a port is refused by name, and not treated as granted', async () => {
    const start = { action: 'start', bot_id: 'server', deployment_mode: 'simple', code: 'print(1)' };
    const { status, body } = await seed.post({ ...start, resource_limits: { ports: [9090] } });
    expect([status, body.error.code]).toEqual([400, 'INVALID_RESOURCE_LIMITS']);
    const end = await seed.run('avtomatika-bot start server --image busybox:stable -p 9090:9090');
    expect(end.code).toBe(2);
    expect(end.stderr).toContain('-p');
  });
});
