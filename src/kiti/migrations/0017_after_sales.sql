-- What passengers get back: operators' refund policies, and seats given back by their holders.

-- An operator's rules, as JSON; a change is a new version, so that it can be told what stood when.
CREATE TABLE refund_policy (
  operator_id uuid NOT NULL,
  version integer NOT NULL,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT refund_policy_pkey PRIMARY KEY (operator_id, version),
  CONSTRAINT refund_policy_version_check CHECK (version >= 1),
  CONSTRAINT refund_policy_text_check CHECK (octet_length(text) BETWEEN 2 AND 65536)
);

-- Seats of a confirmed booking given back under an offer. What they cost is what goes back and what is kept.
CREATE TABLE cancellation (
  cancellation_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  booking_id uuid NOT NULL,
  seats smallint[] NOT NULL,
  method text NOT NULL,
  amount_minor bigint NOT NULL,
  kept_minor bigint NOT NULL,
  currency text NOT NULL,
  rule text NOT NULL,
  cancelled_at timestamptz NOT NULL,
  CONSTRAINT cancellation_pkey PRIMARY KEY (cancellation_id, trip_id),
  CONSTRAINT cancellation_seats_check CHECK (cardinality(seats) BETWEEN 1 AND 10),
  CONSTRAINT cancellation_method_check CHECK (method IN ('ORIGINAL', 'CREDIT')),
  CONSTRAINT cancellation_amount_check CHECK (
    amount_minor >= 0 AND kept_minor >= 0 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT cancellation_rule_check CHECK (length(rule) <= 600)
);
CREATE INDEX cancellation_booking ON cancellation (booking_id);

-- A receipt can be refunded several times for one reason, each for a cause of its own: cancellation_id for
-- seats given back one after the other; the nil id where the reason can come once. A process of the
-- release before writes no refund meanwhile (its statement fails, and what it did is tried again).
ALTER TABLE refund ADD COLUMN cause_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
-- squawk-ignore ban-drop-constraint
ALTER TABLE refund DROP CONSTRAINT refund_receipt_id_reason_key;
-- Refunds are few beside sales: what waits for this index waits for a moment.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX refund_cause ON refund (receipt_id, reason, cause_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX refund_by_cause ON refund (cause_id) WHERE cause_id <> '00000000-0000-0000-0000-000000000000';
