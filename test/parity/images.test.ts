/** The original's use cases 12 and 17 on a real engine: a Dockerfile that installs by apt-get, and an image of Docker Hub. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { forgetImage, putIntoRegistry } from '../e2e/seed/registry-images.ts';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { loadAptImage } from '../kit/base-images/apt-image.ts';
import { startRegistry } from '../kit/registry/registry.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 120_000;

describe.skipIf('skip' in docker)('images on Docker', { timeout: longMs }, () => {
  const { host, hostAddress, pipIndexUrl, namespacePath } = usableDocker(docker);
  let seed: SeedPlatform | undefined;
  afterEach(async () => {
    await seed?.deleteAll();
    await seed?.close();
  }, longMs);
  const file = (dir: string, name: string, content: string) => {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  };

  it("UC 12: a Dockerfile installs programs by apt-get, which the bot runs: the use case's Dockerfile, on an archive of the test", async ({
    skip,
  }) => {
    if (namespacePath === undefined) skip('the image with apt may only be put on a private engine');
    const apt = await loadAptImage(
      host,
      hostAddress,
      [
        {
          name: 'ffmpeg',
          depends: 'libmagic1',
          files: { '/usr/bin/ffmpeg': '#!/bin/sh\necho ffmpeg of the archive\n' },
        },
        { name: 'libmagic1', files: { '/usr/share/misc/magic.mgc': 'magic' } },
      ],
      { PIP_INDEX_URL: pipIndexUrl, PIP_TRUSTED_HOST: hostAddress },
    );
    try {
      seed = await startSeedPlatform(usableDocker(docker));
      file(
        seed.dir,
        'media_bot/Dockerfile',
        `FROM ${apt.image}

RUN apt-get update && apt-get install -y \\
    ffmpeg \\
    libmagic1 \\
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
CMD ["python", "bot.py"]
`,
      );
      file(seed.dir, 'media_bot/requirements.txt', 'magic-filter\n');
      file(
        seed.dir,
        'media_bot/bot.py',
        'import magic_filter, subprocess\nprint("ran", subprocess.check_output(["ffmpeg", "-version"], text=True), open("/usr/share/misc/magic.mgc").read())\n',
      );
      const end = await seed.run('avtomatika-bot start media-bot --custom /tmp/media_bot/ -e BOT_TOKEN=123:ABC');
      expect(end).toMatchObject({ code: 0, stderr: expect.stringMatching(/Setting up ffmpeg \(1\.0\)/) });
      await seed.untilLogged('media-bot', /ran ffmpeg of the archive\n+ ?magic/);
    } finally {
      await seed?.deleteAll();
      await apt.close();
    }
  });

  // Docker Hub itself cannot be reached from a test: a mirror stands in for it, and is asked for the same names.
  it('UC 14, 17: an image that names no registry is pulled from Docker Hub, by its mirror, and runs with its env', async () => {
    const registry = await startRegistry(hostAddress, { open: true });
    try {
      seed = await startSeedPlatform(usableDocker(docker), { REGISTRY_MIRROR: registry.address });
      await putIntoRegistry(host, registry, 'busybox:stable', 'username/my-telegram-bot', 'stable');
      const start = 'start dockerhub-bot --image username/my-telegram-bot:stable -e BOT_TOKEN=123:ABC -e DEBUG=true';
      const end = await seed.run(`avtomatika-bot ${start}`);
      expect(end).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('dockerhub-bot ran and exited with exit code 0'),
      });
      expect(end.stderr).toContain('pulling username/my-telegram-bot:stable from the mirror');
      const absent = await seed.run('avtomatika-bot start absent --image username/absent:stable');
      expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('Error IMAGE_NOT_FOUND') });
    } finally {
      await seed?.deleteAll();
      await forgetImage(host, `${registry.address}/username/my-telegram-bot:stable`);
      await registry.close();
    }
  });
});
