import { LOCK_INDEXES } from "./lock_lines.ts";

/** A turn of priority 0: 100 * 2^44, and the number of the submission. */
const FIRST_TURN = "1759218604441600";
/** They are the low 20 bits of an attempt's key. */
const LAST_ORDINAL = "1048575";

const TABLES = `
  -- What jobs ask for of the place they run at, and whose they are: a lane whose user or pool is full is not asked.
  CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
    uid INTEGER NOT NULL,
    host TEXT NOT NULL,
    use TEXT NOT NULL,
    UNIQUE (uid, host, use)
  ) STRICT;
  CREATE TABLE hosts (host INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,         -- never used twice: from a counter
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,                -- pending active complete failed; later: every hooks
    lane INTEGER NOT NULL,
    turn INTEGER,                       -- (100 - priority) << 44 | submission; NULL: never submitted
    empty INTEGER NOT NULL DEFAULT 1,   -- there is nothing to run
    visible_at REAL,                    -- no claim takes it before; NULL: at once
    deadline REAL,                      -- no claim takes it then or later; NULL: at any time
    blocked INTEGER NOT NULL DEFAULT 0, -- later: dependencies that are open
    behind INTEGER NOT NULL DEFAULT 0,  -- later: its lock is another's
    lock TEXT,                          -- later
    tries INTEGER NOT NULL DEFAULT 0,   -- attempts since it came to pending
    ordinal INTEGER NOT NULL DEFAULT 0, -- attempts in its life
    ended INTEGER,                      -- sequence of ends: the order of complete/ and failed/
    ended_at REAL,                      -- of its log: the end, or what somebody set by hand
    keep_until REAL,                    -- later: retention, where the job says so
    last_slot REAL,                     -- later: of an entry of every/
    hook TEXT,                          -- later: the facts that a hook's job is for
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    foreign_writer INTEGER,
    created_at REAL NOT NULL,
    written_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    accessed_at REAL,
    asks TEXT,                          -- what its header asks for, JSON; {"old":true}: it is of an older filed
    unclosed BLOB,                      -- what somebody writes in the command's place, and has not closed
    command BLOB NOT NULL DEFAULT x'',
    ready INTEGER NOT NULL GENERATED ALWAYS AS (
      state = 'pending' AND turn IS NOT NULL AND NOT empty AND visible_at IS NULL AND blocked = 0 AND behind = 0
    ) VIRTUAL
  ) STRICT;

  -- Runs whose processes may live, also of jobs that moved on or were removed: two of one job there never are.
  CREATE TABLE runs (
    job INTEGER PRIMARY KEY,
    id TEXT NOT NULL,                   -- that its job has, or had
    run TEXT NOT NULL,                  -- FILED_RUN
    ordinal INTEGER NOT NULL,
    host INTEGER NOT NULL,
    started_at REAL NOT NULL,
    abandoned INTEGER NOT NULL DEFAULT 0,
    pid INTEGER,
    start_ticks INTEGER,
    boot_id TEXT,
    cgroup TEXT,
    uid INTEGER,
    log INTEGER,                        -- the number of its chunks; NULL: all of the log is in head
    log_bytes INTEGER NOT NULL,
    logged_at REAL NOT NULL,
    head BLOB NOT NULL
  ) STRICT;
  -- Attempts that are over.
  CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY,        -- job << 20 | ordinal
    host INTEGER NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    ending TEXT NOT NULL,               -- JSON
    log INTEGER,
    log_bytes INTEGER NOT NULL,
    head BLOB NOT NULL
  ) STRICT;

  -- Later: what a job waits for, what it has while it runs, what is to be told of its end.
  CREATE TABLE edges (
    job INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    parent INTEGER,
    id TEXT NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (job, ordinal)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE slots (
    pool TEXT NOT NULL, slot INTEGER NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (pool, slot)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pending_hooks (
    kind TEXT NOT NULL, job INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (kind, job)
  ) STRICT, WITHOUT ROWID;
`;

const INDEXES = `
  -- Claiming: what can start now, in each lane first in first out.
  CREATE INDEX jobs_ready ON jobs (lane, turn) WHERE ready;
  -- Listing, from the index alone: pending/, and what runs; complete/ and failed/, the oldest end first.
  CREATE INDEX jobs_open ON jobs (number, id) WHERE ended IS NULL;
  CREATE INDEX jobs_ended ON jobs (state, ended, id, ordinal) WHERE ended IS NOT NULL;
  -- The others have a row for what is rare, and cost a plain job nothing.
  CREATE INDEX jobs_due ON jobs (visible_at) WHERE visible_at IS NOT NULL;
  CREATE INDEX jobs_late ON jobs (deadline) WHERE deadline IS NOT NULL;
  CREATE INDEX jobs_keep ON jobs (keep_until) WHERE keep_until IS NOT NULL;
  CREATE INDEX jobs_lock ON jobs (uid, lock, turn) WHERE lock IS NOT NULL AND ended IS NULL;
  CREATE INDEX jobs_unclosed ON jobs (number) WHERE unclosed IS NOT NULL;
  CREATE INDEX edges_open ON edges (parent, job) WHERE open;
  CREATE INDEX edges_unresolved ON edges (id) WHERE open AND parent IS NULL;
`;

/** The file in pending/ of a job that a rename has given another than it was made as: by that one's number. */
const FILES = "CREATE TABLE files (job INTEGER PRIMARY KEY, file INTEGER NOT NULL UNIQUE) STRICT;";

/** Of contents that are too long for the rows of their jobs. Last in the row, NULL costs a plain job nothing. */
const CONTENTS = `
  -- chunks: of the command, BYTES:CHUNK,FIRST-LAST,…, and then command is empty; unclosed_chunks: the same of unclosed.
  ALTER TABLE jobs ADD COLUMN chunks TEXT;
  ALTER TABLE jobs ADD COLUMN unclosed_chunks TEXT;
  CREATE INDEX jobs_in_chunks ON jobs (number) WHERE chunks IS NOT NULL;
  CREATE TABLE contents (chunk INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
`;

/** What makes a new file. */
export const SCHEMA = `
  ${TABLES}

  -- chunk: the number of the log's chunks << 32 | the position in the log of its first byte.
  CREATE TABLE logs (chunk INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  -- Chunks that only readers have any more.
  CREATE TABLE kept_logs (log INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  ${INDEXES}
  ${FILES}
  ${LOCK_INDEXES}
  ${CONTENTS}
`;

/**
 * What takes a file of version N (its index) to N + 1. A released entry never changes; a new one is added.
 *
 * Blobs stand last in a row: SQLite reads a row no further than the last column asked for.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'complete', 'failed')),
    log_bytes INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    place INTEGER,
    visible_at REAL,
    held INTEGER NOT NULL, -- 0: no; 1: open for writing; 2: just moved here
    run TEXT,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    created_at REAL NOT NULL,
    written_at REAL NOT NULL,
    logged_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    accessed_at REAL,
    unclosed BLOB,
    command BLOB NOT NULL DEFAULT x''
  ) STRICT;
  -- Listing: a directory's names in the order of their numbers, without touching the rows.
  CREATE INDEX jobs_by_state ON jobs (state, number, id);
  -- Claiming: what can start now, first in first out.
  CREATE INDEX jobs_ready ON jobs (place)
    WHERE state = 'pending' AND held = 0 AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0;
  -- What waits for its time.
  CREATE INDEX jobs_waiting ON jobs (visible_at) WHERE state = 'pending' AND visible_at IS NOT NULL;
  CREATE UNIQUE INDEX jobs_by_run ON jobs (run) WHERE run IS NOT NULL;
  CREATE INDEX jobs_held ON jobs (held, place) WHERE held <> 0;

  -- chunk: the job's number << 32 | the position in the log of its first byte.
  CREATE TABLE logs (chunk INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  -- Logs of removed jobs that somebody still reads.
  CREATE TABLE kept_logs (number INTEGER PRIMARY KEY) STRICT;

  -- Runs whose processes may still live, also of jobs that moved on or were removed.
  CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    pid INTEGER,
    start_ticks INTEGER,
    boot_id TEXT,
    cgroup TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX runs_by_number ON runs (number);
  CREATE INDEX runs_by_id ON runs (id);

  CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Last in the row all the same: it costs nothing as long as it is NULL, as it nearly always is.
  "ALTER TABLE jobs ADD COLUMN foreign_writer INTEGER",
  // Each index that a change touches is a page more to write. A run's job is found through `runs`.
  `
  DROP INDEX IF EXISTS jobs_by_run;
  DROP INDEX IF EXISTS jobs_held;
  CREATE INDEX jobs_held ON jobs (number) WHERE held <> 0;
  CREATE INDEX jobs_in_line ON jobs (place) WHERE held = 2;
  `,
  // What is held is known to the process that holds it; and runs are few.
  `
  DROP INDEX jobs_held;
  DROP INDEX jobs_in_line;
  DROP INDEX jobs_ready;
  DROP INDEX runs_by_number;
  DROP INDEX runs_by_id;
  ALTER TABLE jobs DROP COLUMN held;
  CREATE INDEX jobs_ready ON jobs (place)
    WHERE state = 'pending' AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0;
  CREATE INDEX jobs_unclosed ON jobs (number) WHERE unclosed IS NOT NULL;
  `,
  // Whom a run's processes run as: NULL for those that an older filed started.
  "ALTER TABLE runs ADD COLUMN uid INTEGER",
  // NULL: the job's own number. The index finds the last one in use, and has a row for none but those.
  `
  ALTER TABLE jobs ADD COLUMN log_number INTEGER;
  CREATE INDEX jobs_by_log ON jobs (log_number) WHERE log_number IS NOT NULL;
  `,
  // The model for what comes: lanes, turns, attempts with their endings. Chunks of logs stay where they are.
  `
  ALTER TABLE jobs RENAME TO old_jobs;
  ALTER TABLE runs RENAME TO old_runs;
  DROP INDEX jobs_by_state;
  DROP INDEX jobs_ready;
  DROP INDEX jobs_waiting;
  DROP INDEX jobs_unclosed;
  DROP INDEX jobs_by_log;

  ${TABLES}

  INSERT INTO lanes (uid, host, use) SELECT DISTINCT uid, '', '' FROM old_jobs ORDER BY uid;
  INSERT INTO hosts (host, name) VALUES (0, '');
  -- Numbers alone: to sort whole rows takes room for all of them beside the file.
  CREATE TABLE ends (number INTEGER PRIMARY KEY, ended INTEGER NOT NULL);
  INSERT INTO ends SELECT number, row_number() OVER (ORDER BY changed_at, number) FROM old_jobs
    WHERE state IN ('complete', 'failed');
  INSERT INTO jobs (
    number, id, state, lane, turn, empty, visible_at, tries, ordinal, ended, ended_at, uid, gid, mode,
    foreign_writer, created_at, written_at, changed_at, accessed_at, asks, unclosed, command)
  SELECT number, id, state, lane,
    CASE WHEN state IN ('pending', 'active') THEN ${FIRST_TURN} + place END,
    length(command) = 0,
    CASE WHEN state = 'pending' THEN visible_at END,
    attempts, min(max(attempts, log_bytes > 0 OR state <> 'pending'), ${LAST_ORDINAL}),
    ends.ended,
    CASE WHEN state IN ('complete', 'failed') THEN logged_at END,
    uid, gid, mode, foreign_writer, created_at, written_at, changed_at, accessed_at,
    CASE WHEN state IN ('pending', 'active') THEN '{"old":true}' END, unclosed, command
  FROM old_jobs JOIN lanes USING (uid) LEFT JOIN ends USING (number) ORDER BY number;
  DROP TABLE ends;
  INSERT INTO attempts (attempt, host, started_at, ended_at, ending, log, log_bytes, head)
  SELECT number << 20 | min(max(attempts, 1), ${LAST_ORDINAL}), 0, logged_at, logged_at, '{"kind":"unknown"}',
    coalesce(log_number, number), log_bytes, x''
  FROM old_jobs WHERE log_bytes > 0 AND state <> 'active';
  INSERT OR IGNORE INTO runs (
    job, id, run, ordinal, host, started_at, abandoned, pid, start_ticks, boot_id, cgroup, uid, log, log_bytes,
    logged_at, head)
  SELECT old_runs.number, old_runs.id, old_runs.run, min(max(coalesce(attempts, 1), 1), ${LAST_ORDINAL}), 0,
    coalesce(logged_at, 0),
    old_jobs.run IS NOT old_runs.run, pid, start_ticks, boot_id, cgroup, old_runs.uid,
    CASE WHEN old_jobs.run IS old_runs.run AND log_bytes > 0 THEN coalesce(log_number, old_jobs.number) END,
    CASE WHEN old_jobs.run IS old_runs.run THEN log_bytes ELSE 0 END, coalesce(logged_at, 0), x''
  FROM old_runs LEFT JOIN old_jobs USING (number)
  ORDER BY old_jobs.run IS old_runs.run DESC;

  INSERT OR REPLACE INTO counters (name, next) SELECT 'submission', next FROM counters WHERE name = 'place';
  DELETE FROM counters WHERE name = 'place';
  INSERT OR REPLACE INTO counters (name, next)
  SELECT 'job', 1 + max(
    coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'jobs' OR name = 'old_jobs'), 0),
    coalesce((SELECT max(number) FROM old_jobs), 0), coalesce((SELECT max(number) FROM old_runs), 0),
    coalesce((SELECT max(chunk) >> 32 FROM logs), 0));
  INSERT OR REPLACE INTO counters (name, next) SELECT 'log', next FROM counters WHERE name = 'job';
  INSERT OR REPLACE INTO counters (name, next) SELECT 'end', 1 + coalesce(max(ended), 0) FROM jobs;
  DROP TABLE old_jobs;
  DROP TABLE old_runs;
  ALTER TABLE kept_logs RENAME COLUMN number TO log;

  ${INDEXES}
  `,
  FILES,
  // The lines before locks: what is first in each, found by one search.
  LOCK_INDEXES,
  CONTENTS,
];
