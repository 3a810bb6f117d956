-- Work to be done after a commit, and work that returns by the clock. A job is a row written in the
-- transaction that causes it, so there is one exactly when there is cause; what is done is deleted,
-- what failed too often lies in job_dead until somebody runs it again. Logged tables: a job that was
-- committed survives a crash. No trigger: who enqueues also notifies (docs/decisions/0003-queue.md).

-- run_at is when a worker may take the job: its due time while it waits, the end of its lease while
-- it runs. So a job whose worker died is found by the same statement as one that waits, and the
-- attempt that died counts. lease_id names one taking: who finishes late has another and changes
-- nothing. Only kinds, ids and error classes here, nothing personal.
CREATE TABLE job (
  job_id uuid CONSTRAINT job_pkey PRIMARY KEY,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  dedupe text,
  priority smallint NOT NULL,
  run_at timestamptz NOT NULL,
  lease_id uuid,
  attempts integer NOT NULL DEFAULT 0,
  error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT job_kind_check CHECK (kind ~ '^[a-z][a-z0-9_.-]{0,63}$'),
  CONSTRAINT job_payload_check CHECK (
    jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 8192
  ),
  CONSTRAINT job_dedupe_check CHECK (length(dedupe) BETWEEN 1 AND 200),
  CONSTRAINT job_priority_check CHECK (priority BETWEEN 0 AND 3),
  CONSTRAINT job_attempts_check CHECK (attempts >= 0),
  CONSTRAINT job_lease_id_check CHECK (lease_id IS NULL OR attempts > 0),
  CONSTRAINT job_error_check CHECK (error ~ '^[A-Za-z_][A-Za-z0-9_]{0,99}$')
) WITH (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000
);

CREATE INDEX job_due ON job (priority, run_at);

CREATE INDEX job_leased ON job (run_at) WHERE lease_id IS NOT NULL;

-- One waiting job for the same work. A running one has left the key: news that comes while it runs
-- makes another job, since the running one may have read the state before.
CREATE UNIQUE INDEX job_waiting_dedupe ON job (kind, dedupe)
  WHERE lease_id IS NULL AND dedupe IS NOT NULL;

CREATE TABLE job_dead (
  job_id uuid CONSTRAINT job_dead_pkey PRIMARY KEY,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  dedupe text,
  priority smallint NOT NULL,
  attempts integer NOT NULL,
  error text NOT NULL,
  created_at timestamptz NOT NULL,
  died_at timestamptz NOT NULL
);

CREATE INDEX job_dead_died_at ON job_dead (died_at, job_id);

-- One row for each named job: when it is due, who runs it until when, and how the last run ended.
-- The lease keeps two runs apart; done_at is the end of the last run that succeeded, or when the job
-- was first known, and tells how far it lags.
CREATE TABLE named_job (
  name text CONSTRAINT named_job_pkey PRIMARY KEY,
  next_run_at timestamptz NOT NULL,
  lease_id uuid,
  leased_until timestamptz,
  started_at timestamptz,
  done_at timestamptz NOT NULL,
  status text,
  processed bigint,
  duration_ms bigint,
  error text,
  CONSTRAINT named_job_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,63}$'),
  CONSTRAINT named_job_lease_check CHECK ((lease_id IS NULL) = (leased_until IS NULL)),
  CONSTRAINT named_job_status_check CHECK (status IN ('DONE', 'FAILED')),
  CONSTRAINT named_job_processed_check CHECK (processed >= 0),
  CONSTRAINT named_job_duration_ms_check CHECK (duration_ms >= 0),
  CONSTRAINT named_job_error_check CHECK (error ~ '^[A-Za-z_][A-Za-z0-9_]{0,99}$')
);
