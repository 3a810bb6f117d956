-- Money: attempts to pay, what gateways received, what goes back, and what they told us. A booking is
-- known by its ids only: its tables may lie on another node, so there is no key into them. References,
-- a gateway's transaction ids and event keys are unique here, so a second effect of one cause is
-- refused by the database. Lock order: the trip, its booking (booking's own), then the payment.

-- One attempt. It is committed as `creating` before the gateway hears of it. expires_at is the end of
-- the hold when it was made, and of the gateway's link; from gives_up_at on a payment that is still
-- pending reads EXPIRED. It is asked about at next_poll_at, to the end of watch_until whatever its
-- state, since money may come against expectation; null: not any more. asked_at is when a read of the
-- status last asked. key_digest names the idempotency key that began it (a key may return after a day).
CREATE TABLE payment (
  payment_id uuid CONSTRAINT payment_pkey PRIMARY KEY,
  reference text NOT NULL,
  booking_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  holder_id uuid NOT NULL,
  gateway text NOT NULL,
  method text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  redirect_url text,
  gateway_id text,
  key_digest bytea NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  gives_up_at timestamptz NOT NULL,
  watch_until timestamptz NOT NULL,
  next_poll_at timestamptz,
  polled_at timestamptz,
  asked_at timestamptz,
  settled_at timestamptz,
  CONSTRAINT payment_reference_key UNIQUE (reference),
  CONSTRAINT payment_reference_check CHECK (reference ~ '^[A-Z0-9-]{8,64}$'),
  CONSTRAINT payment_gateway_check CHECK (gateway ~ '^[a-z][a-z0-9_-]{0,31}$'),
  CONSTRAINT payment_method_check CHECK (
    method IN ('CARD', 'MOBILE_MONEY', 'BANK_TRANSFER', 'USSD')),
  CONSTRAINT payment_amount_check CHECK (
    amount_minor BETWEEN 0 AND 1000000000000000 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT payment_status_check CHECK (
    status IN ('creating', 'open', 'unknown', 'succeeded', 'failed', 'cancelled', 'expired')),
  CONSTRAINT payment_redirect_url_check CHECK (length(redirect_url) BETWEEN 1 AND 2000),
  CONSTRAINT payment_gateway_id_check CHECK (length(gateway_id) BETWEEN 1 AND 255),
  CONSTRAINT payment_key_digest_check CHECK (octet_length(key_digest) = 32),
  CONSTRAINT payment_times_check CHECK (
    gives_up_at >= expires_at AND watch_until >= gives_up_at),
  CONSTRAINT payment_settled_check CHECK ((status = 'succeeded') = (settled_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
-- One open attempt a booking. One that fell silent (unknown) does not stand in the way of the next.
CREATE UNIQUE INDEX payment_booking_open ON payment (booking_id)
  WHERE status IN ('creating', 'open');
CREATE INDEX payment_booking ON payment (booking_id, payment_id);
CREATE INDEX payment_due ON payment (next_poll_at) WHERE next_poll_at IS NOT NULL;
CREATE INDEX payment_key ON payment (key_digest);

-- A gateway's successful transaction. applied_minor of it pays for the booking; refunded_minor is
-- given or owed back, never more than came. learned_at: when it was first known here, which decides
-- whether it came in time. trip_id is the payment's, for the ledger.
CREATE TABLE payment_receipt (
  receipt_id uuid CONSTRAINT payment_receipt_pkey PRIMARY KEY,
  payment_id uuid NOT NULL CONSTRAINT payment_receipt_payment_id_fkey REFERENCES payment,
  gateway text NOT NULL,
  gateway_transaction_id text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  charged_minor bigint,
  fee_minor bigint,
  applied_minor bigint NOT NULL,
  refunded_minor bigint NOT NULL DEFAULT 0,
  learned_at timestamptz NOT NULL,
  CONSTRAINT payment_receipt_transaction_key UNIQUE (gateway, gateway_transaction_id),
  CONSTRAINT payment_receipt_transaction_check CHECK (
    length(gateway_transaction_id) BETWEEN 1 AND 100),
  CONSTRAINT payment_receipt_amount_check CHECK (
    amount_minor BETWEEN 1 AND 1000000000000000 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT payment_receipt_told_check CHECK (charged_minor >= 0 AND fee_minor >= 0),
  CONSTRAINT payment_receipt_applied_check CHECK (applied_minor BETWEEN 0 AND amount_minor),
  CONSTRAINT payment_receipt_refunded_check CHECK (refunded_minor BETWEEN 0 AND amount_minor)
);
CREATE INDEX payment_receipt_payment ON payment_receipt (payment_id);

-- Money that goes back. refund_id is what the gateway is told and asked by. sent_at: when it was last
-- sent, null when it surely never was, and tries how often; leased_until keeps two senders apart. At
-- next_try_at it is looked at again (looks: how often so far); null: done, or its tries have run out
-- and a person must look.
CREATE TABLE refund (
  refund_id uuid CONSTRAINT refund_pkey PRIMARY KEY,
  receipt_id uuid NOT NULL CONSTRAINT refund_receipt_id_fkey REFERENCES payment_receipt,
  payment_id uuid NOT NULL CONSTRAINT refund_payment_id_fkey REFERENCES payment,
  gateway text NOT NULL,
  reason text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL DEFAULT 'owed',
  gateway_refund_id text,
  tries integer NOT NULL DEFAULT 0,
  looks integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  sent_at timestamptz,
  leased_until timestamptz,
  next_try_at timestamptz,
  settled_at timestamptz,
  CONSTRAINT refund_receipt_id_reason_key UNIQUE (receipt_id, reason),
  CONSTRAINT refund_reason_check CHECK (reason ~ '^[A-Z][A-Z_]{0,39}$'),
  CONSTRAINT refund_amount_check CHECK (
    amount_minor BETWEEN 1 AND 1000000000000000 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT refund_status_check CHECK (
    status IN ('owed', 'sending', 'pending', 'succeeded', 'failed')),
  CONSTRAINT refund_gateway_refund_id_check CHECK (length(gateway_refund_id) BETWEEN 1 AND 100),
  CONSTRAINT refund_tries_check CHECK (tries >= 0 AND looks >= 0),
  CONSTRAINT refund_settled_check CHECK ((status = 'succeeded') = (settled_at IS NOT NULL))
);
CREATE INDEX refund_payment ON refund (payment_id);
CREATE INDEX refund_due ON refund (next_try_at) WHERE next_try_at IS NOT NULL;

-- What a gateway told us, kept before it is answered 200; card details and the payer's particulars are
-- left out of body, sha256 is of the bytes as they came. state: queued (a job will ask the gateway),
-- done, unconfirmed (it claims money that the gateway did not confirm), parked (nothing here matches).
CREATE TABLE webhook_event (
  event_id uuid CONSTRAINT webhook_event_pkey PRIMARY KEY,
  gateway text NOT NULL,
  event_key text NOT NULL,
  kind text NOT NULL,
  reference text,
  gateway_transaction_id text,
  is_success boolean NOT NULL,
  body bytea NOT NULL,
  sha256 bytea NOT NULL,
  state text NOT NULL,
  deliveries integer NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL,
  done_at timestamptz,
  CONSTRAINT webhook_event_gateway_event_key_key UNIQUE (gateway, event_key),
  CONSTRAINT webhook_event_event_key_check CHECK (length(event_key) BETWEEN 1 AND 200),
  CONSTRAINT webhook_event_kind_check CHECK (kind IN ('payment', 'refund', 'other')),
  CONSTRAINT webhook_event_reference_check CHECK (length(reference) BETWEEN 1 AND 200),
  CONSTRAINT webhook_event_transaction_check CHECK (
    length(gateway_transaction_id) BETWEEN 1 AND 100),
  CONSTRAINT webhook_event_body_check CHECK (octet_length(body) <= 262144),
  CONSTRAINT webhook_event_sha256_check CHECK (octet_length(sha256) = 32),
  CONSTRAINT webhook_event_state_check CHECK (
    state IN ('queued', 'done', 'unconfirmed', 'parked')),
  CONSTRAINT webhook_event_done_check CHECK ((state = 'queued') = (done_at IS NULL))
);
CREATE INDEX webhook_event_queued ON webhook_event (received_at) WHERE state = 'queued';
