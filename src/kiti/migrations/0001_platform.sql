-- Idempotency: the first answer to a caller's key, so that a retry gets it again and nothing happens twice.
-- A row without an answer is a claim whose work is under way, in its own transaction or until locked_until.
CREATE TABLE idempotency_key (
  scope text NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  locked_until timestamptz,
  status smallint,
  body bytea,
  context jsonb,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  CONSTRAINT idempotency_key_pkey PRIMARY KEY (scope, route, key),
  CONSTRAINT idempotency_key_key_check CHECK (key ~ '^[A-Za-z0-9_-]{1,255}$'),
  CONSTRAINT idempotency_key_answer_check CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_key_due ON idempotency_key (expires_at);
