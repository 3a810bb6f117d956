-- The ledger: double entry, append only. An entry moves amounts of one currency between accounts and sums
-- to zero; it is made in the transaction of the state it records, once for each source and purpose, and is
-- never edited: a mistake is corrected by an entry that reverses it. trip_id is in every key, so that the
-- lines of a sale may live beside its seats on a cluster; what belongs to no trip carries the nil id.
CREATE TABLE ledger_entry (
  entry_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  source_type text NOT NULL,
  source_id uuid NOT NULL,
  purpose text NOT NULL,
  currency text NOT NULL,
  lines smallint NOT NULL,
  reverses uuid,
  occurred_at timestamptz NOT NULL,
  CONSTRAINT ledger_entry_pkey PRIMARY KEY (entry_id, trip_id),
  CONSTRAINT ledger_entry_source_key UNIQUE (source_type, source_id, purpose, trip_id),
  CONSTRAINT ledger_entry_reverses_key UNIQUE (reverses, trip_id),
  CONSTRAINT ledger_entry_reverses_fkey FOREIGN KEY (reverses, trip_id) REFERENCES ledger_entry,
  CONSTRAINT ledger_entry_source_type_check CHECK (source_type ~ '^[a-z][a-z_]{0,39}$'),
  CONSTRAINT ledger_entry_purpose_check CHECK (purpose ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ledger_entry_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT ledger_entry_lines_check CHECK (lines BETWEEN 2 AND 1000)
);

-- amount_minor: debits are positive, credits negative. kind and owner name the account: of a gateway its
-- name, of an operator, booking, receipt or refund its id, of the house nothing.
CREATE TABLE ledger_posting (
  entry_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  line smallint NOT NULL,
  kind text NOT NULL,
  owner text NOT NULL,
  amount_minor bigint NOT NULL,
  CONSTRAINT ledger_posting_pkey PRIMARY KEY (entry_id, trip_id, line),
  CONSTRAINT ledger_posting_entry_fkey FOREIGN KEY (entry_id, trip_id) REFERENCES ledger_entry,
  CONSTRAINT ledger_posting_kind_check CHECK (kind IN (
    'gateway_clearing', 'bank', 'dispute_hold', 'operator_receivable', 'agent_float', 'fx_clearing',
    'passenger_funds', 'suspense', 'refunds_payable', 'passenger_credit', 'operator_payable',
    'operator_reserve', 'payout_transit', 'tax_payable', 'commission', 'fees_revenue',
    'gateway_fees', 'payout_fees', 'dispute_fees', 'chargeback_loss', 'fx_rounding')),
  CONSTRAINT ledger_posting_owner_check CHECK (length(owner) <= 100),
  CONSTRAINT ledger_posting_amount_check CHECK (
    amount_minor <> 0 AND amount_minor BETWEEN -1000000000000000 AND 1000000000000000)
);
CREATE INDEX ledger_posting_account ON ledger_posting (kind, owner, entry_id);
CREATE INDEX ledger_entry_occurred ON ledger_entry (occurred_at, entry_id);

-- What is owed to somebody, by account: it may reach zero and never pass it. Only liabilities of one
-- owner are kept here; a row that every sale changes would make every sale wait for the one before.
-- trip_id: the trip's for the money of one sale, the nil id for what an operator or holder has in all.
CREATE TABLE ledger_balance (
  kind text NOT NULL,
  owner text NOT NULL,
  currency text NOT NULL,
  trip_id uuid NOT NULL,
  balance_minor bigint NOT NULL,
  CONSTRAINT ledger_balance_pkey PRIMARY KEY (kind, owner, currency, trip_id),
  CONSTRAINT ledger_balance_floor_check CHECK (balance_minor >= 0)
) WITH (fillfactor = 80);

-- Whatever writes postings: all lines of an entry come in one statement, and sum to zero.
CREATE FUNCTION ledger_posting_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_entry uuid;
BEGIN
  SELECT p.entry_id INTO v_entry
  FROM added AS p
  JOIN ledger_entry AS e ON e.entry_id = p.entry_id AND e.trip_id = p.trip_id
  GROUP BY p.entry_id, p.trip_id, e.lines
  HAVING sum(p.amount_minor) <> 0 OR count(*) <> e.lines
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'ledger entry % does not balance', v_entry
      USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_posting_balanced', TABLE = 'ledger_posting';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_balanced AFTER INSERT ON ledger_posting
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_posting_balanced();

CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append only: correct it by a reversal'
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_append_only', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
  FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_posting_append_only BEFORE UPDATE OR DELETE ON ledger_posting
  FOR EACH ROW EXECUTE FUNCTION ledger_append_only();

-- Write entries with their lines, and move the balances that have a floor. An entry whose source and
-- purpose are there already is left out, lines and all; the ids of the new ones come back.
-- Lines name their entry by its place in p_entry, from 1.
CREATE FUNCTION post_entries_1(
  p_entry uuid[], p_trip uuid[], p_source_type text[], p_source uuid[], p_purpose text[],
  p_currency text[], p_reverses uuid[],
  p_line_entry integer[], p_line smallint[], p_line_kind text[], p_line_owner text[], p_line_amount bigint[]
) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_new uuid[];
BEGIN
  WITH fresh AS (
    INSERT INTO ledger_entry (
      entry_id, trip_id, source_type, source_id, purpose, currency, lines, reverses, occurred_at)
    SELECT p_entry[i], p_trip[i], p_source_type[i], p_source[i], p_purpose[i], p_currency[i],
           (SELECT count(*) FROM unnest(p_line_entry) AS l (place) WHERE l.place = i), p_reverses[i], v_now
    FROM generate_subscripts(p_entry, 1) AS i
    ON CONFLICT (source_type, source_id, purpose, trip_id) DO NOTHING
    RETURNING entry_id)
  SELECT coalesce(array_agg(entry_id), '{}') INTO v_new FROM fresh;

  INSERT INTO ledger_posting (entry_id, trip_id, line, kind, owner, amount_minor)
  SELECT p_entry[l.place], p_trip[l.place], l.line, l.kind, l.owner, l.amount
  FROM unnest(p_line_entry, p_line, p_line_kind, p_line_owner, p_line_amount)
    AS l (place, line, kind, owner, amount)
  WHERE p_entry[l.place] = ANY (v_new);

  -- A row is made at zero before it is moved: the floor is judged on what a move leaves.
  WITH moved AS (
    SELECT l.kind, l.owner, p_currency[l.place] AS currency,
           CASE WHEN l.kind IN ('passenger_funds', 'suspense', 'refunds_payable')
             THEN p_trip[l.place] ELSE '00000000-0000-0000-0000-000000000000' END AS trip_id
    FROM unnest(p_line_entry, p_line_kind, p_line_owner) AS l (place, kind, owner)
    WHERE p_entry[l.place] = ANY (v_new)
      AND l.kind IN ('passenger_funds', 'suspense', 'refunds_payable', 'passenger_credit',
                     'operator_payable', 'operator_reserve', 'payout_transit'))
  INSERT INTO ledger_balance (kind, owner, currency, trip_id, balance_minor)
  SELECT DISTINCT kind, owner, currency, trip_id, 0 FROM moved
  ORDER BY kind, owner, currency, trip_id
  ON CONFLICT (kind, owner, currency, trip_id) DO NOTHING;

  UPDATE ledger_balance AS b
  SET balance_minor = b.balance_minor + moved.minor
  FROM (
    SELECT l.kind, l.owner, p_currency[l.place] AS currency,
           CASE WHEN l.kind IN ('passenger_funds', 'suspense', 'refunds_payable')
             THEN p_trip[l.place] ELSE '00000000-0000-0000-0000-000000000000' END AS trip_id,
           -sum(l.amount) AS minor
    FROM unnest(p_line_entry, p_line_kind, p_line_owner, p_line_amount) AS l (place, kind, owner, amount)
    WHERE p_entry[l.place] = ANY (v_new)
    GROUP BY 1, 2, 3, 4) AS moved
  WHERE b.kind = moved.kind AND b.owner = moved.owner AND b.currency = moved.currency
    AND b.trip_id = moved.trip_id AND moved.minor <> 0;
  RETURN v_new;
END $$;

-- What came and went before there was a ledger.
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN
    SELECT c.receipt_id, p.trip_id, p.booking_id, c.gateway, c.currency, c.amount_minor, c.applied_minor,
           coalesce(c.fee_minor, 0) AS fee_minor
    FROM payment_receipt AS c JOIN payment AS p ON p.payment_id = c.payment_id
    ORDER BY c.receipt_id
  LOOP
    PERFORM post_entries_1(
      ARRAY[r.receipt_id], ARRAY[r.trip_id], ARRAY['receipt'], ARRAY[r.receipt_id], ARRAY['received'],
      ARRAY[r.currency], ARRAY[NULL::uuid], array_agg(1), array_agg(l.line), array_agg(l.kind),
      array_agg(l.owner), array_agg(l.amount))
    FROM (VALUES
      (1::smallint, 'gateway_clearing', r.gateway, r.amount_minor),
      (2::smallint, 'passenger_funds', r.booking_id::text, -r.applied_minor),
      (3::smallint, 'suspense', r.receipt_id::text, r.applied_minor - r.amount_minor)
    ) AS l (line, kind, owner, amount)
    WHERE l.amount <> 0;
    IF r.fee_minor > 0 THEN
      PERFORM post_entries_1(
        ARRAY[gen_random_uuid()], ARRAY[r.trip_id], ARRAY['receipt'], ARRAY[r.receipt_id],
        ARRAY['gateway_fee'], ARRAY[r.currency], ARRAY[NULL::uuid], ARRAY[1, 1], ARRAY[1, 2]::smallint[],
        ARRAY['gateway_fees', 'gateway_clearing'], ARRAY[r.gateway, r.gateway],
        ARRAY[r.fee_minor, -r.fee_minor]);
    END IF;
  END LOOP;
  FOR r IN
    SELECT f.refund_id, f.receipt_id, p.trip_id, f.gateway, f.currency, f.amount_minor,
           least(coalesce(f.given_minor, CASE WHEN f.status = 'succeeded' THEN f.amount_minor ELSE 0 END),
                 f.amount_minor) AS given_minor
    FROM refund AS f JOIN payment AS p ON p.payment_id = f.payment_id
    ORDER BY f.refund_id
  LOOP
    PERFORM post_entries_1(
      ARRAY[r.refund_id], ARRAY[r.trip_id], ARRAY['refund'], ARRAY[r.refund_id], ARRAY['owed'],
      ARRAY[r.currency], ARRAY[NULL::uuid], ARRAY[1, 1], ARRAY[1, 2]::smallint[],
      ARRAY['suspense', 'refunds_payable'], ARRAY[r.receipt_id::text, r.refund_id::text],
      ARRAY[r.amount_minor, -r.amount_minor]);
    IF r.given_minor > 0 THEN
      PERFORM post_entries_1(
        ARRAY[gen_random_uuid()], ARRAY[r.trip_id], ARRAY['refund'], ARRAY[r.refund_id], ARRAY['given_0'],
        ARRAY[r.currency], ARRAY[NULL::uuid], ARRAY[1, 1], ARRAY[1, 2]::smallint[],
        ARRAY['refunds_payable', 'gateway_clearing'], ARRAY[r.refund_id::text, r.gateway],
        ARRAY[r.given_minor, -r.given_minor]);
    END IF;
  END LOOP;
END $$;
