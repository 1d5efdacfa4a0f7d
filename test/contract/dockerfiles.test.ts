/** What Dockerfiles may hold: built as Docker does it, or refused by name before anything is built, whatever the engine's version. */
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
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
  const printedBy = async (botId: string, dockerfile: string) => {
    const image = await build(botId, dockerfile);
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
    expect(await printedBy('documented', dockerfile)).toEqual(['one', 'two # no comment', 'linux', '1', 'a\\b plain']);
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
          message: expect.stringMatching(/in line 3: that needs BuildKit/),
        },
      });
      expect(lines).toEqual([]);
    }
  });
});
