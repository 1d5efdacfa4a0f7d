/** Bots that say what they can and cannot do, for tests of how an engine keeps them in. */
import type { ProvidedContext } from 'vitest';
import { type BotKey, imageName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import type {
  ContainerPlan,
  ContainerProtection,
  ContainerRuntime,
} from '../../../worker/runtime/container-runtime.ts';
import type { SafetyCheck } from '../../../worker/runtime/safety.ts';
import { botPlan, patience, readAll, textsOf, untilExited } from '../../contract/harness.ts';
import { buildContext } from '../../contract/images.ts';
import type { PrivateEngine } from '../../kit/private-engine/private-engine.ts';
import type { TestDocker } from '../../kit/test-docker.ts';

export interface TryChoice {
  readonly key: BotKey;
  readonly workerId: string;
  /** Default: of a Dockerfile without USER that starts in /srv/bot. */
  readonly dockerfile?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly plan?: Partial<ContainerPlan>;
  readonly env?: Readonly<Record<string, string>>;
}

const plainDockerfile = `FROM python:3.11-slim
WORKDIR /srv/bot
COPY . .
CMD ["python", "bot.py"]
`;

/** Why a test cannot have an engine of its own, if it cannot. */
export const ownEngineReason = (given: ProvidedContext['docker']): string | false =>
  'skip' in given
    ? given.skip
    : process.env['BOTRUNNER_TEST_DOCKER_HOST'] !== undefined && 'the engine is not ours to set up';

export const asTestDocker = ({ dockerHost, hostAddress, namespacePath }: PrivateEngine): TestDocker => ({
  host: dockerHost,
  hostAddress,
  namespacePath,
  podman: undefined,
  pipIndexUrl: '',
});

/** The safety check `isolation`. */
export const isolationOf = async (runtime: ContainerRuntime): Promise<SafetyCheck | undefined> =>
  (await runtime.safety(patience())).find(({ name }) => name === 'isolation');

/** The plan of a bot with a Dockerfile, which is built. */
export async function planWithDockerfile(runtime: ContainerRuntime, choice: TryChoice): Promise<ContainerPlan> {
  const { key, workerId, dockerfile = plainDockerfile, files = {}, env = {} } = choice;
  await buildContext(runtime, { key, workerId, dockerfile, files });
  return {
    ...botPlan({ key, workerId, language: 'python' }),
    image: imageName(key, 1n),
    run: { kind: 'image' },
    env: new Secret(env),
    ...choice.plan,
  };
}

/** Runs a bot to its end in a container that is removed; what it printed, and what was said of it. */
export async function runToEnd(
  runtime: ContainerRuntime,
  plan: ContainerPlan,
): Promise<{
  readonly lines: readonly string[];
  readonly said: readonly string[];
  readonly exitCode: number | undefined;
  readonly protection: ContainerProtection | undefined;
}> {
  const said: string[] = [];
  const id = await runtime.create(plan, patience(), (line) => said.push(line));
  try {
    await runtime.start(id, patience());
    const { exitCode, protection } = await untilExited(runtime, id);
    return { lines: textsOf((await readAll(runtime, id)).lines), said, exitCode, protection };
  } finally {
    await runtime.remove(id, patience());
  }
}

/** Tries to write a file beside each path, and says who it is. */
export const writer = `import os, sys
print("uid", os.getuid(), os.environ.get("HOME"))
for path in os.environ["PATHS"].split():
    try:
        with open(path, "a") as file:
            file.write("x")
        print(path, "written")
    except OSError as error:
        print(path, os.strerror(error.errno))
`;
