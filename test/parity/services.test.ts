/**
 * The original's use cases 6 and 23 to 26 on a real engine: bots that use an API, Redis, PostgreSQL, a webhook and a storage.
 * Redis and PostgreSQL are real and so are the clients of all of them; the API, the tunnel and the storage are stand-ins.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { serviceClient } from '../kit/package-index/bot-libraries.ts';
import { type PackageIndex, startPackageIndex } from '../kit/package-index/package-index.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { startPostgres } from '../kit/services/postgres-server.ts';
import { startRedis } from '../kit/services/redis-container.ts';
import { startS3 } from '../kit/services/s3-server.ts';
import { startTunnel } from '../kit/services/tunnel-server.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 180_000;
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

describe.skipIf('skip' in docker)('services that bots use, on Docker', { timeout: longMs }, () => {
  const { host, hostAddress } = usableDocker(docker);
  let seed: SeedPlatform;
  let index: PackageIndex | undefined;
  /** Why the clients cannot be had. */
  let noClients = '';
  beforeAll(async () => {
    try {
      const libraries = await Promise.all([serviceClient('redis'), serviceClient('pg8000'), serviceClient('boto3')]);
      const wheels = new Map(libraries.flatMap((one) => one.wheels.map((wheel) => [wheel.fileName, wheel])));
      index = await startPackageIndex({ host: hostAddress, wheels: [...wheels.values()] });
    } catch (error) {
      noClients = `the clients of the services cannot be had: ${messageOf(error)}`;
    }
    seed = await startSeedPlatform(usableDocker(docker), index && { PIP_INDEX_URL: index.url });
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(async () => {
    await seed?.close();
    await index?.close();
  }, longMs);

  const file = (name: string, content: string) => {
    const path = join(seed.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  const cli = (command: string) => seed.run(`avtomatika-bot ${command}`);
  const ownNetwork = async (): Promise<string> => {
    const networks = JSON.parse((await callEngine(host, '/networks')).text) as { readonly Name: string }[];
    return networks.find(({ Name }) => /^bot_runner_network_dev_[a-z2-7]+$/.test(Name))?.Name ?? '';
  };
  /** An address of the engine's machine on the bots' network: where a service of that machine is, for a bot. */
  const gateway = async () => {
    const { text } = await callEngine(host, `/networks/${await ownNetwork()}`);
    return String(JSON.parse(text).IPAM.Config[0].Gateway);
  };

  it('UC 6: a bot calls an external API with the key of its env', async () => {
    const asked: (string | undefined)[] = [];
    const api = createHttpServer((request, response) => {
      asked.push(request.headers['x-api-key']?.toString());
      response.end('the weather');
    });
    const port = await freePort(hostAddress);
    await new Promise<void>((resolve) => api.listen(port, hostAddress, resolve));
    try {
      file('bot.py', 'import api_client\nprint(api_client.weather())\n');
      file(
        'api_client.py',
        `import os, urllib.request
def weather():
    request = urllib.request.Request(os.environ["API_URL"], headers={"x-api-key": os.environ["API_KEY"]})
    return urllib.request.urlopen(request, timeout=10).read().decode()
`,
      );
      const env = `-e API_KEY=secret_api_key -e API_URL=http://${hostAddress}:${port}/`;
      expect(await cli(`start api-bot --simple /tmp/bot.py /tmp/api_client.py ${env}`)).toMatchObject({ code: 0 });
      await seed.untilLogged('api-bot', /^the weather$/m);
      expect(asked).toEqual(['secret_api_key']);
    } finally {
      api.close();
    }
  });

  describe('UC 23: Redis', () => {
    const bot = `import asyncio, os
import redis.asyncio
async def main():
    store = redis.asyncio.from_url(os.environ["REDIS_URL"], socket_connect_timeout=5, retry=None)
    try:
        print("start number", await store.incr("starts"), flush=True)
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        print("no Redis:", type(error).__name__, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
`;

    it('UC 23: a bot keeps its state in a real Redis, by an address of the machine, over a restart', async ({
      skip,
    }) => {
      if (noClients) skip(noClients);
      file('bot.py', bot);
      expect(await cli('start first --simple --inline --code "print(1)"')).toMatchObject({ code: 0 });
      const redis = await startRedis(host, { network: 'host', port: await freePort(hostAddress) });
      try {
        const env = `-e REDIS_URL=redis://${await gateway()}:${redis.port}/0`;
        expect(await cli(`start redis-bot --simple /tmp/bot.py -r redis ${env}`)).toMatchObject({ code: 0 });
        await seed.untilLogged('redis-bot', 'start number 1');
        expect(await cli('restart redis-bot')).toMatchObject({ code: 0 });
        await seed.untilLogged('redis-bot', 'start number 2');
      } finally {
        await redis.remove();
      }
    });

    it('UC 23: redis://redis:6379, a container beside the bot on its network, is not reached: the product does not do it', async ({
      skip,
    }) => {
      if (noClients) skip(noClients);
      file('bot.py', bot);
      expect(await cli('start first --simple --inline --code "print(1)"')).toMatchObject({ code: 0 });
      const redis = await startRedis(host, { network: await ownNetwork(), port: 6379 });
      try {
        const start = 'start redis-bot --simple /tmp/bot.py -r redis -e REDIS_URL=redis://redis:6379/0';
        expect(await cli(start)).toMatchObject({ code: 0 });
        await seed.untilLogged('redis-bot', 'no Redis: TimeoutError');
      } finally {
        await redis.remove();
      }
    });
  });

  it('UC 24: a bot of a Dockerfile keeps its rows in a real PostgreSQL, over an update', async ({ skip }) => {
    if (noClients) skip(noClients);
    const postgres = await startPostgres(hostAddress);
    try {
      const dockerfile = `FROM python:3.11-slim
ARG PIP_INDEX_URL
RUN pip install --trusted-host ${hostAddress} pg8000
COPY bot.py /bot.py
CMD ["python", "/bot.py"]
`;
      file('pg_bot/Dockerfile', dockerfile);
      file(
        'pg_bot/bot.py',
        `import os, time, urllib.parse
import pg8000.native
url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
db = pg8000.native.Connection(url.username, url.hostname, url.path[1:], url.port, url.password)
db.run("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
db.run("INSERT INTO starts DEFAULT VALUES")
print("rows", db.run("SELECT count(*) FROM starts")[0][0], flush=True)
time.sleep(600)
`,
      );
      expect(await cli(`start pg-bot --custom /tmp/pg_bot/ -e DATABASE_URL=${postgres.url}`)).toMatchObject({
        code: 0,
      });
      await seed.untilLogged('pg-bot', 'rows 1');
      file('pg_bot/Dockerfile', `${dockerfile}ENV VERSION=2\n`);
      expect(await cli('update pg-bot --custom /tmp/pg_bot/')).toMatchObject({ code: 0 });
      const log = await seed.untilLogged('pg-bot', 'rows 2');
      expect(log).not.toContain(new URL(postgres.url).password);
    } finally {
      await postgres.close();
    }
  });

  it('UC 25: a webhook reaches the port of a bot by a tunnel that the bot opens outwards', async () => {
    const tunnel = await startTunnel(hostAddress);
    try {
      file(
        'bot.py',
        `import http.server, json, os, socket, threading
port = int(os.environ["WEBHOOK_PORT"])
class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        update = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print("update", update["message"]["text"], "at", self.path, flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"taken")
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Webhook)
threading.Thread(target=server.serve_forever, daemon=True).start()
def pump(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)
tunnel_host, tunnel_port = os.environ["TUNNEL"].split(":")
while True:
    far = socket.create_connection((tunnel_host, int(tunnel_port)))
    far.sendall(b"ready")
    first = far.recv(65536)
    if not first:
        continue
    near = socket.create_connection(("127.0.0.1", port))
    near.sendall(first)
    back = threading.Thread(target=pump, args=(near, far))
    back.start()
    pump(far, near)
    back.join()
    far.close()
`,
      );
      const env = `-e WEBHOOK_URL=${tunnel.publicUrl}/webhook -e WEBHOOK_PORT=8080 -e TUNNEL=${tunnel.address}`;
      expect(await cli(`start webhook-bot --simple /tmp/bot.py ${env}`)).toMatchObject({ code: 0 });
      for (const text of ['first', 'second']) {
        const body = JSON.stringify({ update_id: 1, message: { text } });
        const answer = await fetch(`${tunnel.publicUrl}/webhook`, {
          method: 'POST',
          body,
          headers: { connection: 'close' },
        });
        expect([answer.status, await answer.text()]).toEqual([200, 'taken']);
        await seed.untilLogged('webhook-bot', `update ${text} at /webhook`);
      }
    } finally {
      await tunnel.close();
    }
  });

  it('UC 26: a bot puts a file into an S3 storage and gets it back, with the keys of its env', async ({ skip }) => {
    if (noClients) skip(noClients);
    const s3 = await startS3(hostAddress);
    try {
      file(
        'bot.py',
        'import storage\nstorage.put("hello.txt", b"from the bot")\nprint("stored", storage.get("hello.txt"), flush=True)\n',
      );
      file(
        'storage.py',
        `import os
import boto3
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], region_name="us-east-1",
    aws_access_key_id=os.environ["S3_ACCESS_KEY"], aws_secret_access_key=os.environ["S3_SECRET_KEY"],
    config=boto3.session.Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"))
def put(key, body):
    s3.put_object(Bucket=os.environ["S3_BUCKET"], Key=key, Body=body)
def get(key):
    return s3.get_object(Bucket=os.environ["S3_BUCKET"], Key=key)["Body"].read()
`,
      );
      const keys = `-e S3_ACCESS_KEY=${s3.accessKey} -e S3_SECRET_KEY=${s3.secretKey}`;
      const env = `-e S3_ENDPOINT=${s3.url} -e S3_BUCKET=${s3.bucket} ${keys}`;
      const end = await cli(`start s3-bot --simple /tmp/bot.py /tmp/storage.py -r boto3 ${env}`);
      expect(end).toMatchObject({ code: 0 });
      await seed.untilLogged('s3-bot', "stored b'from the bot'");
      expect(s3.objects.get('hello.txt')?.toString()).toBe('from the bot');
      expect(s3.refused()).toBe(0);
      const wrong = env.replace(s3.secretKey, 'wrong');
      expect((await cli(`start s3-bot --simple /tmp/bot.py /tmp/storage.py -r boto3 ${wrong}`)).code).toBe(3);
      expect(s3.refused()).toBeGreaterThan(0);
    } finally {
      await s3.close();
    }
  });
});
