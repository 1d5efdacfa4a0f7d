/**
 * The SQLite schema, as migrations that each run once, in order. `PRAGMA user_version` holds how many have run.
 * Never change a migration that has been released: add one.
 *
 * Times are ms since 1970. Blobs named *_sealed are encrypted (seal.ts); no other column ever holds a secret.
 */

export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Who may call. Only the sha256 of a token is kept.
  CREATE TABLE tokens (
    token_sha256 TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('client', 'admin', 'worker')),
    name TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('config', 'admin')),
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE bots (
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'removed')),
    generation INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    worker_id TEXT,
    -- Whether its worker has to stop it because it moves to another one.
    leaving INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    cpu_millis INTEGER NOT NULL,
    spec_sealed BLOB,
    -- Whether a removal takes the data volume too.
    purge INTEGER NOT NULL,
    -- What to go back to when the job at work fails; null while none is.
    undo_desired TEXT,
    undo_revision INTEGER,
    undo_was_up INTEGER,
    undo_spec_sealed BLOB,
    -- What the worker has reported.
    state TEXT NOT NULL,
    observed TEXT NOT NULL,
    observed_at INTEGER,
    -- When its user last decided that it should run, and what the operator's limit on that means for it.
    runs_since INTEGER NOT NULL,
    stops_at INTEGER,
    age_warned INTEGER NOT NULL,
    notice TEXT NOT NULL,
    event_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, bot_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX bots_by_worker ON bots (worker_id);
  CREATE INDEX bots_by_age ON bots (age_warned, stops_at) WHERE desired = 'running' AND stops_at IS NOT NULL;

  -- A Telegram token belongs to one running bot. token_key is a keyed hash of it.
  CREATE TABLE telegram_tokens (
    token_key TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX telegram_tokens_by_bot ON telegram_tokens (user_id, bot_id);

  CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    blueprint TEXT NOT NULL,
    action TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    mutating INTEGER NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The action's own input: lines of logs and the like. Never a secret.
    params TEXT NOT NULL,
    -- The spec of a start or update, until it is the bot's.
    spec_sealed BLOB,
    result TEXT,
    error TEXT,
    task_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX jobs_open_by_bot ON jobs (user_id, bot_id, job_id) WHERE status NOT IN ('completed', 'failed', 'cancelled');
  CREATE INDEX jobs_open_by_deadline ON jobs (deadline_at) WHERE status NOT IN ('completed', 'failed', 'cancelled');
  CREATE INDEX jobs_by_user ON jobs (user_id, job_id);

  -- Every state a job went through, in order.
  CREATE TABLE job_steps (
    job_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, step)
  ) STRICT, WITHOUT ROWID;

  -- Work handed to a worker: durable before it is sent.
  CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL,
    type TEXT NOT NULL,
    worker_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('open', 'accepted', 'done')),
    created_at INTEGER NOT NULL,
    accepted_at INTEGER,
    finished_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tasks_open ON tasks (type, task_id) WHERE status = 'open';

  CREATE TABLE idempotency_keys (
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
  ) STRICT, WITHOUT ROWID;

  -- One row for each change, written in the commit of the change. seq orders all, bot_seq those of one bot.
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    bot_seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX outbox_by_bot ON outbox (user_id, bot_id, bot_seq);
  CREATE INDEX outbox_by_user ON outbox (user_id, seq);

  CREATE TABLE workers (
    worker_id TEXT PRIMARY KEY,
    boot_id TEXT NOT NULL,
    runtime TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    version TEXT NOT NULL,
    memory_bytes INTEGER NOT NULL,
    cpu_millis INTEGER NOT NULL,
    labels TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    -- Whether the operator wants no more bots there.
    cordoned INTEGER NOT NULL DEFAULT 0,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Who may speak as a worker. Only the sha256 of a credential is kept.
  CREATE TABLE worker_access (
    worker_id TEXT PRIMARY KEY,
    credential_sha256 TEXT UNIQUE,
    revoked INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE artifacts (
    sha256 TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE artifact_chunks (
    upload_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (upload_id, n)
  ) STRICT;
  CREATE TABLE artifact_owners (
    user_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, sha256)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Telegram tokens in sources, as keyed hashes: token_keys is a JSON list of them. An artifact has one row; a source that a
  -- worker fetches has one for each revision of its bot that it was fetched for.
  CREATE TABLE source_tokens (
    source_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    token_keys TEXT NOT NULL,
    PRIMARY KEY (source_id, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX source_tokens_by_bot ON source_tokens (user_id, bot_id);
  CREATE TRIGGER source_tokens_of_artifact AFTER DELETE ON artifacts BEGIN
    DELETE FROM source_tokens WHERE source_id = 'artifact ' || OLD.sha256;
  END;
  CREATE TRIGGER source_tokens_of_bot AFTER DELETE ON bots BEGIN
    DELETE FROM source_tokens WHERE user_id = OLD.user_id AND bot_id = OLD.bot_id;
  END;
  `,
  `
  -- Each start of an orchestrator on this store. A restored store lacks those after the backup.
  CREATE TABLE openings (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    -- The newest event by then.
    from_seq INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  -- About which event the generation or epoch was raised last; 0 before there were openings.
  ALTER TABLE bots ADD COLUMN decided_seq INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- A stop or removal whose job has ended before the worker has carried it out: the task that the worker is sent for it.
  ALTER TABLE bots ADD COLUMN pending_task TEXT;
  CREATE INDEX bots_by_pending_task ON bots (pending_task) WHERE pending_task IS NOT NULL;

  -- An operator has said that the worker's host is off: its id is free, and it is not listed until it joins again.
  ALTER TABLE workers ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;

  -- What a worker may still have of a bot that is not placed there, and has to remove. A row goes when it has.
  CREATE TABLE leftovers (
    worker_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    -- Whether the data volume goes too.
    purge INTEGER NOT NULL,
    -- Whether a copy of the bot may run there: until it is gone the worker gets no bots.
    copy INTEGER NOT NULL,
    task_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (worker_id, user_id, bot_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX leftovers_by_bot ON leftovers (user_id, bot_id);

  -- Workers that may have a data volume of a bot, also of one that was deleted without its data.
  CREATE TABLE bot_volumes (
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    worker_id TEXT NOT NULL,
    PRIMARY KEY (user_id, bot_id, worker_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX bot_volumes_by_worker ON bot_volumes (worker_id);
  -- Of a bot that was placed more than once nobody knows where: any of them may have one.
  INSERT INTO bot_volumes SELECT user_id, bot_id, workers.worker_id FROM bots
    JOIN workers ON runtime = 'docker' AND (workers.worker_id = bots.worker_id OR epoch > 1);
  `,
  `
  CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
  `,
  `
  -- Since when no bot and no open job needs it; null while one does, or may: see engine/source-pruning.ts.
  ALTER TABLE artifacts ADD COLUMN unneeded_at INTEGER;
  `,
  `
  -- A look at what waits costs nothing while nothing does.
  CREATE INDEX jobs_waiting ON jobs (job_id) WHERE status = 'waiting_for_worker';
  `,
  `
  -- What is alive is looked up in memory (workspace/): the database is read by key, and whole at the start.
  ALTER TABLE jobs ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';
  -- As a list of [state, at], in order.
  UPDATE jobs SET steps = coalesce((
    SELECT json_group_array(json_array(state, at)) FROM (
      SELECT state, at FROM job_steps WHERE job_steps.job_id = jobs.job_id ORDER BY step)), '[]');
  DROP TABLE job_steps;
  DROP INDEX jobs_waiting;
  DROP INDEX jobs_open_by_bot;
  DROP INDEX jobs_open_by_deadline;
  CREATE INDEX jobs_open ON jobs (job_id) WHERE status NOT IN ('completed', 'failed', 'cancelled');
  DROP INDEX tasks_open;
  DROP INDEX bots_by_worker;
  DROP INDEX bots_by_age;
  DROP INDEX bots_by_pending_task;
  DROP INDEX leftovers_by_bot;
  DROP INDEX bot_volumes_by_worker;
  DROP INDEX telegram_tokens_by_bot;

  -- Only of bots: jobs and workers have no number of their own.
  DROP INDEX outbox_by_bot;
  CREATE INDEX outbox_by_bot ON outbox (user_id, bot_id, bot_seq) WHERE kind = 'bot';
  `,
  `
  -- Where events are is known in memory (event-index.ts); jobs are not looked up by their user.
  DROP INDEX outbox_by_bot;
  DROP INDEX outbox_by_user;
  DROP INDEX jobs_by_user;

  -- By far the largest part of a bot's row, which most changes of it leave alone.
  CREATE TABLE bot_specs (
    user_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    -- Whether it is the one to go back to, in a row of its own only where it is another one than the bot's.
    is_undo INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (user_id, bot_id, is_undo)
  ) STRICT;
  INSERT INTO bot_specs SELECT user_id, bot_id, 0, spec_sealed FROM bots WHERE spec_sealed IS NOT NULL;
  INSERT INTO bot_specs SELECT user_id, bot_id, 1, undo_spec_sealed FROM bots WHERE undo_spec_sealed IS NOT NULL;
  ALTER TABLE bots DROP COLUMN spec_sealed;
  ALTER TABLE bots DROP COLUMN undo_spec_sealed;
  -- Whether the spec to go back to is the bot's own.
  ALTER TABLE bots ADD COLUMN undo_keeps_spec INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Chunks are sealed (seal.ts). 0: stored by a release that did not seal them, and not sealed since (engine/source-sealing.ts).
  ALTER TABLE artifact_chunks ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX artifact_chunks_plain ON artifact_chunks (upload_id, n) WHERE sealed = 0;
  -- Which kinds of secrets are in which of its files; null for one that was never searched for them.
  ALTER TABLE artifacts ADD COLUMN findings_sealed BLOB;
  `,
  `
  -- Uploads that are under way. Those of an earlier run are removed at the start.
  CREATE TABLE uploads (
    upload_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- What each user has in sources: kept in step with artifact_owners.
  CREATE TABLE holdings (
    user_id TEXT PRIMARY KEY,
    sources INTEGER NOT NULL,
    source_bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- Whether a source is needed is a matter of each of its owners.
  ALTER TABLE artifact_owners ADD COLUMN unneeded_at INTEGER;
  UPDATE artifact_owners SET unneeded_at = (
    SELECT unneeded_at FROM artifacts WHERE artifacts.sha256 = artifact_owners.sha256);
  DELETE FROM artifact_owners WHERE sha256 NOT IN (SELECT sha256 FROM artifacts);
  ALTER TABLE artifacts DROP COLUMN unneeded_at;
  CREATE INDEX artifact_owners_by_artifact ON artifact_owners (sha256);
  INSERT INTO holdings SELECT user_id, count(*), sum(size_bytes) FROM artifact_owners JOIN artifacts USING (sha256) GROUP BY user_id;
  -- A job that is forgotten takes its Idempotency-Key along.
  CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job_id);
`,
  `
  -- Of users who had too many events: those up to this number may be missing.
  CREATE TABLE event_floors (
    user_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- Bots that run as plain processes keep data, too: in a folder of their own.
  INSERT OR IGNORE INTO bot_volumes SELECT user_id, bot_id, workers.worker_id FROM bots
    JOIN workers ON runtime = 'process' AND (workers.worker_id = bots.worker_id OR epoch > 1);
`,
];
