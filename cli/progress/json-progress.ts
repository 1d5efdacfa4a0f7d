/** Progress as one JSON object per line. */
import type { Writable } from 'node:stream';
import type { JsonObject } from '#common/json.ts';
import { safeJson } from '../render/escape.ts';
import { statusWord } from '../render/job.ts';
import { logEntryJson } from '../render/log-lines.ts';
import type { Progress } from './progress.ts';

export function createJsonProgress(stream: Writable): Progress {
  const emit = (event: JsonObject) => stream.write(`${safeJson(event)}\n`);
  return {
    note: (text) => emit({ event: 'note', text }),
    job: (job) =>
      emit({ event: 'job', job_id: job.jobId, state: job.state, status: statusWord(job.status), reason: job.reason }),
    buildOutput(entries) {
      for (const entry of entries) emit({ event: 'build', ...logEntryJson(entry) });
    },
    reconnecting: () => emit({ event: 'reconnecting' }),
    end() {
      // Nothing is left on the screen.
    },
  };
}
