-- What payers' banks ask for and take back, so that money is not given back twice.

-- A gateway's dispute of one of its transactions that paid here. An inquiry takes nothing; taken_at is
-- when it was first known here that money was taken, ended_at when it was known how it ended. given_minor
-- is how much of the receipt had gone back when the dispute was first known: evidence that it is settled
-- already. Of a dispute that was lost, covered_minor pays refunds that were owed and then need no sending.
CREATE TABLE dispute (
  dispute_id uuid CONSTRAINT dispute_pkey PRIMARY KEY,
  receipt_id uuid NOT NULL CONSTRAINT dispute_receipt_id_fkey REFERENCES payment_receipt,
  payment_id uuid NOT NULL CONSTRAINT dispute_payment_id_fkey REFERENCES payment,
  gateway text NOT NULL,
  gateway_dispute_id text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  reason text NOT NULL,
  given_minor bigint NOT NULL,
  covered_minor bigint NOT NULL DEFAULT 0,
  opened_at timestamptz NOT NULL,
  due_at timestamptz,
  learned_at timestamptz NOT NULL,
  taken_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT dispute_gateway_dispute_key UNIQUE (gateway, gateway_dispute_id),
  CONSTRAINT dispute_gateway_dispute_id_check CHECK (length(gateway_dispute_id) BETWEEN 1 AND 90),
  CONSTRAINT dispute_amount_check CHECK (
    amount_minor BETWEEN 1 AND 1000000000000000 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT dispute_status_check CHECK (
    status IN ('inquiry', 'needs_response', 'under_review', 'won', 'lost', 'closed')),
  CONSTRAINT dispute_reason_check CHECK (length(reason) <= 100),
  CONSTRAINT dispute_given_check CHECK (given_minor >= 0),
  CONSTRAINT dispute_covered_check CHECK (
    covered_minor BETWEEN 0 AND amount_minor AND (covered_minor = 0 OR status = 'lost')),
  CONSTRAINT dispute_taken_check CHECK (
    taken_at IS NOT NULL OR status NOT IN ('needs_response', 'under_review', 'won', 'lost')),
  CONSTRAINT dispute_ended_check CHECK ((ended_at IS NOT NULL) = (status IN ('won', 'lost', 'closed')))
);
CREATE INDEX dispute_receipt ON dispute (receipt_id);
CREATE INDEX dispute_open ON dispute (gateway, opened_at) WHERE ended_at IS NULL;

-- Webhooks tell of disputes too.
-- squawk-ignore ban-drop-constraint
ALTER TABLE webhook_event DROP CONSTRAINT webhook_event_kind_check;
ALTER TABLE webhook_event ADD CONSTRAINT webhook_event_kind_check CHECK (
  kind IN ('payment', 'refund', 'dispute', 'other')) NOT VALID;
