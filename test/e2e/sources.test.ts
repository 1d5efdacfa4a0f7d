/**
 * Custom and image mode on a real engine, from the command line and over REST: folders, archives, git repositories and
 * registries, with and without passwords. Bots here end on their own, so that a start need not be waited for.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { startGitServer, type TestGitServer } from '../kit/git-server/git-server.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { startRegistry, type TestRegistry } from '../kit/registry/registry.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { forgetImage, putIntoRegistry } from './seed/registry-images.ts';
import { knownToken, type SeedPlatform, startSeedPlatform } from './seed/seed-platform.ts';

const docker = inject('docker');
const longMs = 120_000;
const gitToken = 'git-canary-5d1f0c9a7e';
const envSecret = 'env-canary-2b7e91d4c0';
/** Prints its files and ends with 0. */
const listing =
  'FROM busybox:stable\nWORKDIR /bot\nCOPY . .\nCMD ["sh", "-c", "echo files: $(find . -type f -o -type l | sort)"]\n';

/** Every file below a folder that holds the text. */
const filesHolding = (dir: string, text: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));

describe.skipIf('skip' in docker)('other sources on Docker', { timeout: longMs }, () => {
  const { host, hostAddress } = usableDocker(docker);
  let seed: SeedPlatform;
  let privateGit: TestGitServer;
  let registry: TestRegistry;
  let archives: Server;
  let archiveUrl: string;
  let privateImage: string;
  /** All that the command line printed, for the search for secrets. */
  let printed = '';

  beforeAll(async () => {
    privateGit = await startGitServer({ credentials: { username: 'ann', password: gitToken } });
    registry = await startRegistry(hostAddress);
    archives = createServer((request, response) => {
      if (request.url === '/bot.tar.gz') response.end(tarOf(join(seed.dir, 'archived'), 'czf'));
      else response.writeHead(404).end('no such thing: canary of the server');
    });
    await new Promise<void>((resolve) => archives.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an AddressInfo.
    const place = `127.0.0.1:${(archives.address() as AddressInfo).port}`;
    archiveUrl = `http://${place}/bot.tar.gz`;
    seed = await startSeedPlatform(usableDocker(docker), {
      FETCH_ALLOW: [privateGit.place, place, registry.address].join(','),
    });
    privateImage = await putIntoRegistry(host, registry, 'busybox:stable', 'team/bot', '1');
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(async () => {
    await seed?.close();
    await forgetImage(host, privateImage);
    await registry?.close();
    await privateGit?.close();
    archives?.close();
  }, longMs);

  const file = (name: string, content: string) => {
    const path = join(seed.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  const tarOf = (folder: string, how: string) => execFileSync('tar', [how, '-', '-C', folder, '.']);
  const cli = async (command: string) => {
    const end = await seed.run(`avtomatika-bot ${command}`);
    printed += end.stdout + end.stderr;
    return end;
  };

  it('a directory with a Dockerfile, as an archive over REST, is built and answers', async () => {
    const archive = tarOf(join(import.meta.dirname, '../../examples/bots/custom_bot'), 'czf').toString('base64');
    const start = { action: 'start', bot_id: 'custom-bot', deployment_mode: 'custom' };
    const started = await seed.job({ ...start, archive, env_vars: { BOT_TOKEN: knownToken } });
    expect(started).toMatchObject({ status: 'completed', data: { result: { status: 'started' } } });
    const chat = seed.telegram.chat(knownToken);
    chat.say('three small words');
    expect((await chat.answer(30_000)).text).toBe('Words: 3');
  });

  it('an ordinary bot with a database beside its code, a volume and a stop signal runs, and keeps what it wrote', async () => {
    const dockerfile = 'FROM python:3.11-slim\nWORKDIR /app\nCOPY bot.py .\nVOLUME /app/storage\nSTOPSIGNAL SIGINT\n';
    file('ordinary/Dockerfile', `${dockerfile}CMD ["python", "bot.py"]\n`);
    file(
      'ordinary/bot.py',
      `import sqlite3, time
db = sqlite3.connect("users.db")
db.execute("create table if not exists users (id integer)")
db.execute("insert into users values (1)")
db.commit()
users = db.execute("select count(*) from users").fetchone()[0]
open("/app/storage/runs", "a").write("x")
print("users", users, "runs", len(open("/app/storage/runs").read()))
try:
    while True: time.sleep(0.1)
except KeyboardInterrupt:
    print("saved", users)
`,
    );
    const logged = async (line: string) => expect(await seed.untilLogged('ordinary', line)).toContain(line);
    expect(await cli('start ordinary --custom /tmp/ordinary/')).toMatchObject({ code: 0 });
    await logged('users 1 runs 1');
    expect(await cli('restart ordinary')).toMatchObject({ code: 0 });
    await logged('saved 1');
    await logged('users 2 runs 2');
    const status = await seed.platform.status('ordinary');
    await callEngine(host, `/containers/${status.container_id}/kill`, { method: 'POST' });
    await logged('users 3 runs 3');
    file('ordinary/Dockerfile', `${dockerfile}ENV NEW=1\nCMD ["python", "bot.py"]\n`);
    expect(await cli('update ordinary --custom /tmp/ordinary/')).toMatchObject({ code: 0 });
    await logged('users 1 runs 4');
    expect(await cli('stop ordinary')).toMatchObject({ code: 0 });
    expect(await seed.platform.status('ordinary')).toMatchObject({ status: 'stopped', exit_code: 0 });
    expect(await cli('restart ordinary')).toMatchObject({ code: 0 });
    await logged('users 1 runs 5');
    const left = async () => (await callEngine(host, '/volumes')).text.split('"bot_id":"ordinary"').length - 1;
    expect(await left()).toBe(2);
    expect(await cli('delete ordinary --purge -y')).toMatchObject({ code: 0 });
    expect(await left()).toBe(0);
  });

  it('a stop whose signal meets a shell in place of the bot says so, and how to do better', async () => {
    file('shell/Dockerfile', 'FROM busybox:stable\nCOPY run.sh /\nCMD ["sh", "/run.sh"]\n');
    file('shell/run.sh', 'echo up\nsleep 1000\necho over\n');
    expect(await cli('start shell --custom /tmp/shell/')).toMatchObject({ code: 0 });
    const { stdout } = await cli('stop shell');
    expect(stdout).toContain('shell is stopped.');
    expect(stdout).toMatch(/Note: its command is a shell.*put "exec" before/);
  });

  describe('a local directory', () => {
    let output: string;
    beforeAll(async () => {
      file('local/Dockerfile', `${listing}RUN echo made by the Dockerfile\n`);
      file('local/lib/real.txt', 'x');
      symlinkSync('lib/real.txt', join(seed.dir, 'local/link.txt'));
      file('local/.dockerignore', '*.md\n!KEEP.md\nlib/secret*\n');
      for (const name of ['README.md', 'KEEP.md', 'lib/secret.txt', '.env', '.git/config']) file(`local/${name}`, 'x');
      const end = await cli('start local --custom /tmp/local/');
      expect(end).toMatchObject({ code: 0, stderr: expect.stringMatching(/Uploading \d+ files \([\d.]+ k?B\)/) });
      output = (await seed.untilLogged('local', 'files:')) + end.stderr;
    }, longMs);

    it('checklist: Local directory works - in-tree links are kept, .dockerignore is honoured', () => {
      expect(output).toMatch(
        /^files: \.\/\.dockerignore \.\/\.env \.\/Dockerfile \.\/KEEP\.md \.\/lib\/real\.txt \.\/link\.txt$/m,
      );
    });

    it('checklist: Dockerfile is found and used', () => {
      expect(output).toContain('made by the Dockerfile');
    });
  });

  it('a plain .tar file is taken like a .tar.gz, without what its .dockerignore says', async () => {
    file('archived/Dockerfile', listing);
    file('archived/.dockerignore', 'secrets/\n.dockerignore\n');
    file('archived/secrets/key', 'x');
    writeFileSync(join(seed.dir, 'bot.tar'), tarOf(join(seed.dir, 'archived'), 'cf'));
    expect(await cli('start tarred --custom /tmp/bot.tar')).toMatchObject({ code: 0 });
    await seed.untilLogged('tarred', /^files: .\/Dockerfile$/m);
  });

  it('checklist: Archive URL works', async () => {
    file('archived/Dockerfile', listing);
    const end = await cli(`start archived --custom ${archiveUrl}`);
    expect(end.code).toBe(0);
    await seed.untilLogged('archived', /^files: .\/Dockerfile$/m);
    const absent = await cli(`start absent --custom ${archiveUrl}.no`);
    expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('Error FETCH_FAILED') });
    expect(absent.stderr).not.toContain('canary of the server');
  });

  it('checklist: Git repository works - the default branch is found, --branch and --subdir are used', async () => {
    const repository = `${seed.git.url}/bots.git`;
    await seed.git.commit('bots.git', 'trunk', {
      'bots/echo/Dockerfile': listing,
      'bots/echo/on-trunk': 'x',
      // Means what it means in a local directory, and leaves itself out as the engine sees to.
      'bots/echo/.dockerignore': 'secrets/\n.dockerignore\n',
      'bots/echo/secrets/key': 'x',
    });
    await seed.git.git('bots.git', 'checkout', '--quiet', '-b', 'next');
    await seed.git.commit('bots.git', 'next', { 'bots/echo/on-next': 'x' });
    await seed.git.git('bots.git', 'checkout', '--quiet', 'trunk');
    expect(await cli(`start repo --git ${repository} --subdir bots/echo`)).toMatchObject({ code: 0 });
    await seed.untilLogged('repo', /^files: .\/Dockerfile .\/on-trunk$/m);
    expect(await cli(`update repo --git ${repository} --branch next --subdir ./bots/echo/`)).toMatchObject({ code: 0 });
    await seed.untilLogged('repo', /^files: .\/Dockerfile .\/on-next .\/on-trunk$/m);
    const absent = await cli(`update repo --git ${repository} --branch no-such-branch`);
    expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('Error GIT_FAILED') });
  });

  it('a private git repository: the command line moves user and token out of the URL, and says so', async () => {
    await privateGit.commit('bot.git', 'main', { Dockerfile: listing, private: 'x' });
    const url = (login: string) => `http://${login}${privateGit.place}/bot.git`;
    const end = await cli(`start private --git ${url(`ann:${gitToken}@`)}`);
    expect(end).toMatchObject({ code: 0, stderr: expect.stringContaining('sent as a secret') });
    await seed.untilLogged('private', 'files: ./Dockerfile ./private');
    const none = await cli(`start none --git ${url('')}`);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/GIT_FAILED.*requires credentials/) });
    const wrong = await cli(`start wrong --git ${url('ann:wrong-canary@')}`);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/GIT_FAILED.*refused the credentials/) });
    expect(wrong.stderr).not.toContain('wrong-canary');
  });

  it('a private git repository over REST: a login in the URL is refused with a hint, git_auth is taken', async () => {
    const start = { action: 'start', bot_id: 'private', deployment_mode: 'custom' };
    const { status, body } = await seed.post({
      ...start,
      git_repo: `http://ann:${gitToken}@${privateGit.place}/bot.git`,
    });
    expect([status, body.error.code]).toEqual([400, 'INVALID_GIT_URL']);
    expect(body.error.hint).toContain('git_auth');
    expect(JSON.stringify(body)).not.toContain(gitToken);
    const git_auth = { username: 'ann', password: gitToken };
    const job = await seed.job({ ...start, git_repo: `http://${privateGit.place}/bot.git`, git_auth });
    expect(job).toMatchObject({ status: 'completed', data: { result: { status: 'exited' } } });
    expect(JSON.stringify(job)).not.toContain(gitToken);
  });

  it('checklist: Public image works', async () => {
    const end = await cli('start image --image busybox:stable');
    expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('image ran and exited') });
  });

  it('checklist: Private registry works - wrong password, none and a missing image are told apart', async () => {
    file('password.txt', `${registry.password}\n`);
    file('wrong.txt', 'wrong-canary\n');
    const start = (bot: string, image: string, password?: string) =>
      cli(
        `start ${bot} --image ${image}${password === undefined ? '' : ` --registry-user ann --registry-pass-stdin < /tmp/${password}`}`,
      );
    const refused = { code: 1, stderr: expect.stringContaining('Error REGISTRY_AUTH_FAILED') };
    expect(await start('wrong', privateImage, 'wrong.txt')).toMatchObject(refused);
    expect(await start('none', privateImage)).toMatchObject(refused);
    const absent = await start('absent', `${registry.address}/team/absent:1`, 'password.txt');
    expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('Error IMAGE_NOT_FOUND') });
    expect(await start('right', privateImage, 'password.txt')).toMatchObject({ code: 0 });
    expect(await seed.platform.status('right')).toMatchObject({ status: 'exited', exit_code: 0 });
    const option = await cli(
      `start option --image ${privateImage} --pull --registry-user ann --registry-pass ${registry.password}`,
    );
    expect(option.code).toBe(0);
  });

  it('no password of git or of a registry, and no secret of an env, is in any output, log, record, image or label', async () => {
    await privateGit.commit('secret.git', 'main', { Dockerfile: listing });
    const env = `-e API_TOKEN=${envSecret}`;
    await cli(`start private --git http://ann:${gitToken}@${privateGit.place}/secret.git ${env}`);
    const image = `--image ${privateImage} --registry-user ann --registry-pass ${registry.password}`;
    await cli(`start pulled ${image} ${env}`);
    const seen = [printed];
    for (const bot of ['private', 'pulled']) {
      const { container_id } = await seed.platform.status(bot);
      const inspect = await callEngine(host, `/containers/${container_id}/json`);
      expect(inspect.status).toBe(200);
      const { Image, Config, ...facts } = JSON.parse(inspect.text);
      const { Env, ...config } = Config;
      // The engine hands the variables to the bot, and shows them to anyone who may use its socket; docs/SECURITY.md says so.
      expect(Env).toContain(`API_TOKEN=${envSecret}`);
      const history = await callEngine(host, `/images/${encodeURIComponent(Image)}/history`);
      const image = await callEngine(host, `/images/${encodeURIComponent(Image)}/json`);
      expect(image.status).toBe(200);
      expect(history.status).toBe(200);
      const logs = await seed.platform.cli(['logs', bot, '-n', '10000']);
      seen.push(
        JSON.stringify([facts, config]),
        history.text,
        image.text,
        logs.stdout,
        JSON.stringify(await seed.platform.status(bot)),
      );
    }
    for (const secret of [gitToken, registry.password, envSecret, 'wrong-canary']) {
      expect(seen.join('\n')).not.toContain(secret);
      expect(filesHolding(seed.platform.dir, secret)).toEqual([]);
    }
  });
});
