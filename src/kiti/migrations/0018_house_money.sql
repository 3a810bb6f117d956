-- Money that Kiti itself takes, bookings exchanged for others, and what operators earn.

-- A booking may be paid out of its holder's credit, or in cash to staff: gateways of our own, which are
-- asked nothing. Such a payment is born succeeded. A refund in cash waits for staff to hand it out:
-- next_try_at is infinity, so that no job takes it up.
-- squawk-ignore ban-drop-constraint
ALTER TABLE payment DROP CONSTRAINT payment_method_check;
ALTER TABLE payment ADD CONSTRAINT payment_method_check CHECK (
  method IN ('CARD', 'MOBILE_MONEY', 'BANK_TRANSFER', 'USSD', 'CREDIT', 'CASH')) NOT VALID;

-- The house's share of what an operator earns, in thousandths, from the next departure on.
ALTER TABLE operator ADD COLUMN commission_per_mille integer NOT NULL DEFAULT 0;
ALTER TABLE operator ADD CONSTRAINT operator_commission_check CHECK (
  commission_per_mille BETWEEN 0 AND 1000) NOT VALID;

-- How far departures have been looked at: what was paid for trips that left before is earned. One row.
CREATE TABLE earning_mark (
  is_only boolean CONSTRAINT earning_mark_pkey PRIMARY KEY,
  left_before timestamptz NOT NULL,
  CONSTRAINT earning_mark_check CHECK (is_only)
);

-- A confirmed booking given up whole for a held one of the same holder (trip_id, booking_id). value_minor
-- is what the refund policy gives back of the old one, kept_minor what it does not; moved_minor of it pays
-- for the new one, which costs moved_minor + due_minor. With something due it is only agreed until that
-- is paid: done_at null. It is off when the old booking has changed (from_version) or has left (ends_at).
CREATE TABLE booking_exchange (
  exchange_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  booking_id uuid NOT NULL,
  from_trip_id uuid NOT NULL,
  from_booking_id uuid NOT NULL,
  from_version integer NOT NULL,
  from_operator_id uuid NOT NULL,
  method text NOT NULL,
  value_minor bigint NOT NULL,
  kept_minor bigint NOT NULL,
  moved_minor bigint NOT NULL,
  due_minor bigint NOT NULL,
  currency text NOT NULL,
  rule text NOT NULL,
  ends_at timestamptz NOT NULL,
  agreed_at timestamptz NOT NULL,
  done_at timestamptz,
  CONSTRAINT booking_exchange_pkey PRIMARY KEY (booking_id, trip_id),
  CONSTRAINT booking_exchange_other_check CHECK (booking_id <> from_booking_id),
  CONSTRAINT booking_exchange_method_check CHECK (method IN ('ORIGINAL', 'CREDIT')),
  CONSTRAINT booking_exchange_amount_check CHECK (
    value_minor > 0 AND kept_minor >= 0 AND moved_minor BETWEEN 0 AND value_minor
    AND due_minor >= 0 AND currency ~ '^[A-Z]{3}$'),
  CONSTRAINT booking_exchange_due_check CHECK (due_minor = 0 OR moved_minor = value_minor),
  CONSTRAINT booking_exchange_rule_check CHECK (length(rule) <= 600)
);
-- Where the money of a booking that was given up went.
CREATE INDEX booking_exchange_from ON booking_exchange (from_booking_id) WHERE done_at IS NOT NULL;

-- squawk-ignore ban-drop-constraint
ALTER TABLE cancellation DROP CONSTRAINT cancellation_method_check;
ALTER TABLE cancellation ADD CONSTRAINT cancellation_method_check CHECK (
  method IN ('ORIGINAL', 'CREDIT', 'EXCHANGE')) NOT VALID;
