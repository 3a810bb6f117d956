-- What gateways really gave back, and payments that went unwatched.
--
-- given_minor: what a gateway says it has given back under a refund's id, by its own figures. Less
-- than amount_minor while the rest is still owed; more when it gave more than was asked, which kiti
-- audit tells; null: it has said nothing yet, or the refund is from before this column. A refund that
-- succeeded after it was sent more than once keeps a next_try_at: at that instant it is looked for
-- once more, since an earlier sending that fell silent may have landed late.
ALTER TABLE refund ADD COLUMN given_minor bigint;
ALTER TABLE refund ADD CONSTRAINT refund_given_check CHECK (given_minor >= 0) NOT VALID;

-- A payment that had succeeded was asked about once more and then never: a second payment under its
-- reference stayed unknown. Those still inside their week are watched again; a week's payments at most.
UPDATE payment
SET next_poll_at = watch_until
WHERE status = 'succeeded' AND next_poll_at IS NULL AND amount_minor > 0
  AND watch_until > clock_timestamp();
