-- Who is calling: accounts, the roles they hold, and sessions. A session is one family of refresh
-- tokens, of which only SHA-256 hashes are kept; guests have no row, their signed token says it all.
CREATE TABLE account (
  account_id uuid CONSTRAINT account_pkey PRIMARY KEY,
  email text NOT NULL,
  name text NOT NULL,
  phone text,
  password_hash text NOT NULL,
  locale text NOT NULL DEFAULT 'en',
  status text NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT account_email_key UNIQUE (email),
  CONSTRAINT account_email_check CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
  CONSTRAINT account_name_check CHECK (length(name) BETWEEN 1 AND 100),
  CONSTRAINT account_phone_check CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  CONSTRAINT account_password_hash_check CHECK (password_hash LIKE '$argon2id$%'),
  CONSTRAINT account_locale_check CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  CONSTRAINT account_status_check CHECK (status IN ('active', 'disabled'))
);

-- operator_id has no foreign key: the network lies above identity. Null beside an operator's role is
-- a role at no operator yet.
CREATE TABLE account_role (
  account_id uuid NOT NULL CONSTRAINT account_role_account_id_fkey REFERENCES account,
  role text NOT NULL,
  operator_id uuid,
  CONSTRAINT account_role_key UNIQUE NULLS NOT DISTINCT (account_id, role, operator_id),
  CONSTRAINT account_role_role_check CHECK (role IN (
    'passenger', 'agent', 'conductor', 'operator_staff', 'operator_admin', 'finance',
    'platform_admin'
  )),
  CONSTRAINT account_role_operator_id_check CHECK (
    operator_id IS NULL OR role IN ('agent', 'conductor', 'operator_staff', 'operator_admin')
  )
);

-- next_salt and the previous token make the current one: a call repeated within the grace is answered
-- with the same token again, though no token is kept.
CREATE TABLE session (
  session_id uuid CONSTRAINT session_pkey PRIMARY KEY,
  account_id uuid NOT NULL CONSTRAINT session_account_id_fkey REFERENCES account,
  family_hash bytea NOT NULL,
  current_hash bytea NOT NULL,
  previous_hash bytea,
  next_salt bytea,
  created_at timestamptz NOT NULL,
  rotated_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revoked_for text,
  CONSTRAINT session_family_hash_key UNIQUE (family_hash),
  CONSTRAINT session_hash_check CHECK (
    length(family_hash) = 32 AND length(current_hash) = 32 AND length(previous_hash) = 32
  ),
  CONSTRAINT session_rotation_check CHECK ((previous_hash IS NULL) = (next_salt IS NULL)),
  CONSTRAINT session_revoked_check CHECK ((revoked_at IS NULL) = (revoked_for IS NULL)),
  CONSTRAINT session_revoked_for_check CHECK (
    revoked_for IN ('logout', 'logout_all', 'reuse', 'disabled')
  )
);
CREATE INDEX session_live ON session (account_id) WHERE revoked_at IS NULL;
CREATE INDEX session_due ON session (expires_at);
