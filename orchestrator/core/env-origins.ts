/** When each variable of a bot was set, and by which job. Kept in its spec, so that it goes wherever the values go. Pure. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BotSpec, type EnvOrigin, EnvOriginSchema } from '#gen/botrunner/v1/bot_pb.js';

/** `given` is what the job names; what it leaves as it was keeps its origin, which is unknown for what older releases have set. */
export function withOrigins(
  wanted: BotSpec,
  before: BotSpec | undefined,
  given: BotSpec,
  by: { readonly jobId: string; readonly atMs: number },
): BotSpec {
  const own = create(EnvOriginSchema, { jobId: by.jobId, setAt: timestampFromMs(by.atMs) });
  const known = new Map(Object.entries(before?.envOrigins ?? {}));
  const origins: [string, EnvOrigin][] = [];
  for (const name of Object.keys(wanted.env)) {
    const origin = Object.hasOwn(given.env, name) ? own : known.get(name);
    if (origin !== undefined) origins.push([name, origin]);
  }
  return { ...wanted, envOrigins: Object.fromEntries(origins) };
}
