/** What Dockerfiles may hold: built as Docker does it, or refused by name before anything is built, whatever the engine's version. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { buildsSeparately } from '../kit/builder-image.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, rawEngine, removeAllOf } from './docker-harness.ts';
import { botPlan, patience, readAll, second, textsOf, untilExited } from './harness.ts';
import { buildContext } from './images.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('a Dockerfile', { timeout: 120 * second }, () => {
  const userId = 'dockerfiles';
  const workerId = 'worker-d';
  const network = 'contract_dockerfiles';
  const engine = rawEngine(docker);
  const runtime = dockerRuntime(docker, { network, workerId });
  const build = (botId: string, dockerfile: string, onOutput?: (line: string) => void) =>
    buildContext(runtime, { key: { userId, botId }, workerId, dockerfile, ...(onOutput && { onOutput }) });
  const printedBy = async (botId: string, image: string) => {
    const plan = botPlan({ key: { userId, botId }, workerId, language: 'python' });
    const id = await runtime.create({ ...plan, image, run: { kind: 'image' } }, patience());
    await runtime.start(id, patience());
    await untilExited(runtime, id);
    return textsOf((await readAll(runtime, id)).lines);
  };

  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  test('may use what Docker documents of variables, platforms, stages and continued lines', async () => {
    const dockerfile = `# syntax=docker/dockerfile:1
# escape=\`
ARG REPOSITORY=alpine
ARG REPOSITORY=busybox
ARG TAG
FROM --platform=$BUILDPLATFORM \${MIRROR}\${REPOSITORY}:\${TAG:-stable} AS build
ARG TARGETARCH TARGETPLATFORM
RUN test -n "$TARGETARCH" && echo "$TARGETPLATFORM" > /platform
ARG REPOSITORY=nothing
FROM \${REPOSITORY}:sta\${REPOSITORY:+ble}
ARG BUILDARCH
ENV ARCH=\${BUILDARCH:-none} BACKSLASH="a\\b" PLAIN=\${NOWHERE:-plain}
RUN --network=default echo one > /lines && \`
    # a comment between

    echo "two # no comment" >> /lines
COPY --link --from=build --chown=1:1 /platform /platform
COPY -- steps.py /odd.py
CMD ["sh", "-c", "cat /lines; cut -d/ -f1 /platform; stat -c %u /platform; test $ARCH = $(cut -d/ -f2 /platform) && echo \\"$BACKSLASH $PLAIN\\""]
`;
    expect(await printedBy('documented', await build('documented', dockerfile))).toEqual([
      'one',
      'two # no comment',
      'linux',
      '1',
      'a\\b plain',
    ]);
  });

  test('is built with arguments, up to a stage, from another path, and with files of URLs, by any builder', async () => {
    const server = createServer((_, response) => response.end('added\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server that listens has an AddressInfo.
    const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const fetching = dockerRuntime(docker, { network, workerId, fetchAllow: [place] });
    const dockerfile = `ARG TAG
FROM busybox:$TAG AS prod
ARG WORD
RUN echo "$WORD" > /word
ADD --chmod=644 http://${place}/a.txt /added/
COPY . /all
CMD ["sh", "-c", "cat /word /added/a.txt; stat -c %a /added/a.txt; ls /all"]
FROM nowhere.example/never:1
`;
    const options = { dockerfile: 'docker/x', target: 'PROD', buildArgs: { TAG: 'stable', WORD: 'hello' } };
    const given = { files: { 'docker/x': dockerfile }, dockerfile: 'FROM scratch\n', options };
    const key = { userId, botId: 'options' };
    try {
      const image = await buildContext(fetching, { key, workerId, ...given });
      expect(await printedBy('options', image)).toEqual(['hello', 'added', '644', 'Dockerfile', 'docker', 'steps.py']);
      const names = list(await engine.get('/images/json')).flatMap((found) => list(record(found)['RepoTags']));
      expect(names.filter((name) => text(name).endsWith('.added'))).toEqual([]);
      // Without the operator's word for the address nothing is asked there.
      const refused = buildContext(runtime, { key, workerId, ...given });
      await expect(refused).rejects.toThrow(/ADD in line 5 of the Dockerfile: Sources may not be fetched/);
    } finally {
      server.close();
    }
  });

  test('that adds files leaves none of them when it is aborted, nor when its worker was killed', async ({ skip }) => {
    if (buildsSeparately) skip('what a builder has is in its volume');
    const server = createServer((_, response) => response.end('added\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server that listens has an AddressInfo.
    const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const fetching = dockerRuntime(docker, { network, workerId, fetchAllow: [place] });
    const key = { userId, botId: 'aborted' };
    const added = async () => {
      const found = list(await engine.get('/images/json')).map(record);
      return found.filter(({ RepoTags }) => list(RepoTags).some((name) => text(name).endsWith('.added')));
    };
    const dockerfile = `FROM busybox:stable\nADD http://${place}/a.txt /a.txt\nRUN sleep 100\n`;
    const stopped = new AbortController();
    const begun = Promise.withResolvers<void>();
    const onOutput = (line: string) => void (line.includes('sleep 100') && begun.resolve());
    try {
      const building = buildContext(fetching, { key, workerId, dockerfile, signal: stopped.signal, onOutput });
      await Promise.race([begun.promise, building]);
      const during = await added();
      stopped.abort(new Error('enough'));
      await expect(building).rejects.toThrow('enough');
      expect(await added()).toEqual([]);
      // By which the images of a bot are found that nobody needs any more.
      expect(during).toMatchObject([{ Labels: { bot_runner: 'true', worker_id: workerId } }]);
    } finally {
      server.close();
    }
  });

  test('is refused by the name of what needs BuildKit, before anything is built', async ({ skip }) => {
    if (buildsSeparately) skip('a separate builder has BuildKit');
    const steps = ['RUN <<EOF\necho x > /installed.txt\nEOF', 'RUN --network=none true', 'ENV A=${PATH#x}'];
    for (const step of steps) {
      const lines: string[] = [];
      const outcome = build('refused', `FROM busybox:stable\nRUN echo begun\n${step}\n`, (line) => lines.push(line));
      await expect(outcome).rejects.toMatchObject({
        problem: {
          code: 'BUILD_FAILED',
          message: expect.stringMatching(
            /in line 3: that needs (?:BuildKit|the Dockerfile syntax 1\.\d+), and (?:this worker builds without it|the builder of this worker has)/,
          ),
        },
      });
      expect(lines).toEqual([]);
    }
  });
});
