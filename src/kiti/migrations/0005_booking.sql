-- Seats, holds, bookings and tickets. One row a trip holds a bitmap of seat x leg (bit = leg * n_seats + seat,
-- from the left); one row a booking is the hold and the sale. Taking seats is decided under the trip's row
-- lock, and seat_sold refuses a second sale whatever the code does. Every key carries trip_id, the hot
-- functions name it on each table, and time is a variable set after the lock: so the same SQL runs on a cluster.
-- Lock order everywhere: the trip, then its bookings. READ COMMITTED.

-- taken = blocked | the masks of live bookings; sold = the masks of confirmed ones.
-- sheet_version is the trip's version that prices must come from; version goes up with every change of a seat.
CREATE TABLE trip_inventory (
  trip_id uuid CONSTRAINT trip_inventory_pkey PRIMARY KEY,
  n_seats smallint NOT NULL,
  n_legs smallint NOT NULL,
  taken varbit NOT NULL,
  sold varbit NOT NULL,
  blocked varbit NOT NULL,
  status text NOT NULL DEFAULT 'on_sale',
  sales_close_at timestamptz NOT NULL,
  sheet_version integer NOT NULL,
  version bigint NOT NULL DEFAULT 0,
  CONSTRAINT trip_inventory_size_check CHECK (
    n_seats > 0 AND n_legs > 0 AND bit_length(taken) = n_seats * n_legs
    AND bit_length(sold) = n_seats * n_legs AND bit_length(blocked) = n_seats * n_legs),
  CONSTRAINT trip_inventory_sold_check CHECK (bit_count(sold & ~taken) = 0),
  CONSTRAINT trip_inventory_blocked_check CHECK (
    bit_count(blocked & ~taken) = 0 AND bit_count(blocked & sold) = 0),
  CONSTRAINT trip_inventory_status_check CHECK (status IN ('on_sale', 'closed', 'cancelled'))
) WITH (fillfactor = 50);

-- Seats are indexes into the trip's layout, in the order asked for; passenger_types and fares_minor go with
-- them. Legs are [first_leg, last_leg). mask is what the booking still takes: a cancelled seat leaves it.
CREATE TABLE booking (
  booking_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  reference text NOT NULL,
  holder_kind text NOT NULL,
  holder_id uuid NOT NULL,
  status text NOT NULL DEFAULT 'held',
  seats smallint[] NOT NULL,
  cancelled_seats smallint[] NOT NULL DEFAULT '{}',
  first_leg smallint NOT NULL,
  last_leg smallint NOT NULL,
  mask varbit NOT NULL,
  passenger_types text[] NOT NULL,
  fares_minor bigint[] NOT NULL,
  total_minor bigint NOT NULL,
  currency text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  expires_at_max timestamptz NOT NULL,
  payment_began_at timestamptz,
  confirmed_at timestamptz,
  ended_at timestamptz,
  version integer NOT NULL DEFAULT 0,
  CONSTRAINT booking_pkey PRIMARY KEY (booking_id, trip_id),
  CONSTRAINT booking_trip_id_fkey FOREIGN KEY (trip_id) REFERENCES trip_inventory,
  CONSTRAINT booking_holder_kind_check CHECK (holder_kind IN ('account', 'guest')),
  CONSTRAINT booking_status_check CHECK (
    status IN ('held', 'confirmed', 'released', 'expired', 'cancelled')),
  CONSTRAINT booking_seats_check CHECK (
    cardinality(seats) BETWEEN 1 AND 10 AND cardinality(passenger_types) = cardinality(seats)
    AND cardinality(fares_minor) = cardinality(seats) AND seats @> cancelled_seats),
  CONSTRAINT booking_legs_check CHECK (first_leg >= 0 AND last_leg > first_leg),
  CONSTRAINT booking_total_check CHECK (total_minor >= 0 AND currency ~ '^[A-Z]{3}$')
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
-- Due holds of one trip (holds, availability, search), and due holds of all (the sweeper). Only the
-- sweeper states the second's odd condition: else the planner, before it has figures, may choose that
-- index for one trip too, and read every hold there is.
CREATE INDEX booking_held ON booking (trip_id, expires_at) WHERE status = 'held';
CREATE INDEX booking_due ON booking (expires_at, trip_id)
  WHERE status = 'held' AND expires_at > '-infinity';
CREATE INDEX booking_holder ON booking (holder_id, booking_id);
CREATE INDEX booking_trip_confirmed ON booking (trip_id) WHERE status = 'confirmed';

-- What people type. Unique across trips, so a small table of its own, without a key into the seat tables.
CREATE TABLE booking_reference (
  reference text CONSTRAINT booking_reference_pkey PRIMARY KEY,
  booking_id uuid NOT NULL,
  trip_id uuid NOT NULL
);

-- The last guard: one row for each seat and leg sold. Nothing can put a second one there.
CREATE TABLE seat_sold (
  trip_id uuid NOT NULL,
  seat smallint NOT NULL,
  leg smallint NOT NULL,
  booking_id uuid NOT NULL,
  CONSTRAINT seat_sold_pkey PRIMARY KEY (trip_id, seat, leg)
);

CREATE TABLE ticket (
  ticket_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  booking_id uuid NOT NULL,
  seat smallint NOT NULL,
  number text NOT NULL,
  code text NOT NULL,
  status text NOT NULL DEFAULT 'valid',
  issued_at timestamptz NOT NULL,
  CONSTRAINT ticket_pkey PRIMARY KEY (ticket_id, trip_id),
  CONSTRAINT ticket_booking_fkey FOREIGN KEY (booking_id, trip_id) REFERENCES booking,
  CONSTRAINT ticket_seat_key UNIQUE (booking_id, trip_id, seat),
  CONSTRAINT ticket_status_check CHECK (status IN ('valid', 'cancelled')),
  CONSTRAINT ticket_code_check CHECK (length(code) >= 16)
);

CREATE TABLE booking_contact (
  booking_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  phone text NOT NULL,
  email text,
  CONSTRAINT booking_contact_pkey PRIMARY KEY (booking_id, trip_id),
  CONSTRAINT booking_contact_booking_fkey FOREIGN KEY (booking_id, trip_id) REFERENCES booking
);
-- next_of_kin is sealed: only the manifest's break-glass may open it.
CREATE TABLE passenger (
  booking_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  seat smallint NOT NULL,
  name text NOT NULL,
  phone text,
  id_type text,
  id_number text,
  next_of_kin bytea,
  CONSTRAINT passenger_pkey PRIMARY KEY (booking_id, trip_id, seat),
  CONSTRAINT passenger_booking_fkey FOREIGN KEY (booking_id, trip_id) REFERENCES booking,
  CONSTRAINT passenger_name_check CHECK (length(name) BETWEEN 1 AND 200)
);

-- Give back the due holds of one trip. The caller holds the trip's lock and passes the time it read after.
-- Bookings are only ever locked under their trip's lock, so nobody waits here.
CREATE FUNCTION expire_trip_1(p_trip uuid, p_now timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_count integer;
  v_mask varbit;
BEGIN
  WITH ended AS (
    UPDATE booking SET status = 'expired', ended_at = p_now, version = version + 1
    WHERE trip_id = p_trip AND status = 'held' AND expires_at <= p_now
    RETURNING mask)
  SELECT count(*), bit_or(mask) INTO v_count, v_mask FROM ended;
  IF v_count > 0 THEN
    UPDATE trip_inventory SET taken = taken & ~v_mask, version = version + 1 WHERE trip_id = p_trip;
  END IF;
  RETURN v_count;
END $$;

-- The due holds of several trips, one after the other in the order of their ids.
CREATE FUNCTION expire_trips_1(p_trips uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_trip uuid;
  v_count integer := 0;
BEGIN
  FOR v_trip IN SELECT DISTINCT t FROM unnest(p_trips) AS t ORDER BY t LOOP
    PERFORM 1 FROM trip_inventory WHERE trip_id = v_trip FOR NO KEY UPDATE;
    v_count := v_count + expire_trip_1(v_trip, clock_timestamp());
  END LOOP;
  RETURN v_count;
END $$;

-- Hold seats for many requests at once: each all or nothing, in the order given, decided under its trip's
-- lock. Requests must come sorted by trip (ids ascending), so that batches lock in one order. The outcomes:
-- held, unavailable (conflict = the bits in the way), stale (priced from an older sheet), sales_closed,
-- cancelled, no_trip, holder_full, guests_full.
-- A trip where nobody can win is answered from what is committed, without its lock: losers are quick.
-- p_guest_share: how many thousandths of the seats guests may hold unsold, all together, and never fewer
-- than ten seats; null: no limit.
CREATE FUNCTION hold_many_1(
  p_trip uuid[], p_booking uuid[], p_reference text[], p_holder_kind text[], p_holder uuid[],
  p_seats text[], p_first smallint[], p_last smallint[], p_mask varbit[],
  p_types text[], p_fares text[], p_total bigint[], p_currency text[],
  p_ttl_s integer[], p_ttl_max_s integer, p_sheet integer[], p_holder_max integer, p_guest_share integer
) RETURNS TABLE (outcome text, decided_at timestamptz, ends_at timestamptz, conflict varbit)
LANGUAGE plpgsql AS $$
DECLARE
  n CONSTANT integer := cardinality(p_trip);
  i integer := 1;
  j integer;
  k integer;
  v_trip uuid;
  v_before uuid;
  v_status text;
  v_close timestamptz;
  v_sheet integer;
  v_seats_sellable integer;
  v_taken varbit;
  v_taken_before varbit;
  v_now timestamptz;
  v_due integer;
  v_mine integer;
  v_guests integer;
  v_count integer;
  v_live boolean;
  a_outcome text[] := array_fill(NULL::text, ARRAY[n]);
  a_now timestamptz[] := array_fill(NULL::timestamptz, ARRAY[n]);
  a_end timestamptz[] := array_fill(NULL::timestamptz, ARRAY[n]);
  a_conflict varbit[] := array_fill(NULL::varbit, ARRAY[n]);
BEGIN
  WHILE i <= n LOOP
    v_trip := p_trip[i];
    ASSERT v_before IS NULL OR v_before < v_trip, 'requests must be sorted by trip';
    v_before := v_trip;
    j := i;
    WHILE j < n AND p_trip[j + 1] = v_trip LOOP j := j + 1; END LOOP;

    SELECT inv.status, inv.sales_close_at, inv.sheet_version, inv.taken,
           inv.n_seats - bit_count(substring(inv.blocked FROM 1 FOR inv.n_seats))
    INTO v_status, v_close, v_sheet, v_taken, v_seats_sellable
    FROM trip_inventory AS inv WHERE inv.trip_id = v_trip;
    v_now := clock_timestamp();
    IF v_taken IS NULL THEN
      FOR k IN i..j LOOP a_outcome[k] := 'no_trip'; a_now[k] := v_now; END LOOP;
      i := j + 1;
      CONTINUE;
    END IF;
    v_live := false;
    FOR k IN i..j LOOP
      IF bit_count(v_taken & p_mask[k]) = 0 THEN v_live := true; EXIT; END IF;
    END LOOP;
    IF NOT v_live THEN
      v_live := EXISTS (SELECT 1 FROM booking AS b
                        WHERE b.trip_id = v_trip AND b.status = 'held' AND b.expires_at <= v_now);
    END IF;

    IF v_live THEN
      PERFORM 1 FROM trip_inventory AS inv WHERE inv.trip_id = v_trip FOR NO KEY UPDATE;
      v_now := clock_timestamp();
      SELECT count(*) INTO v_due FROM booking AS b
      WHERE b.trip_id = v_trip AND b.status = 'held' AND b.expires_at <= v_now;
      IF v_due > 0 THEN PERFORM expire_trip_1(v_trip, v_now); END IF;
      SELECT inv.status, inv.sales_close_at, inv.sheet_version, inv.taken
      INTO v_status, v_close, v_sheet, v_taken
      FROM trip_inventory AS inv WHERE inv.trip_id = v_trip;
    END IF;
    -- Without the lock only a refusal may follow: v_taken is what was read before, never read again.
    v_taken_before := v_taken;

    FOR k IN i..j LOOP
      a_now[k] := v_now;
      IF v_status = 'cancelled' THEN
        a_outcome[k] := 'cancelled';
      ELSIF v_status <> 'on_sale' OR v_close <= v_now THEN
        a_outcome[k] := 'sales_closed';
      ELSIF v_sheet <> p_sheet[k] THEN
        a_outcome[k] := 'stale';
      ELSIF bit_count(v_taken & p_mask[k]) > 0 THEN
        a_outcome[k] := 'unavailable';
        a_conflict[k] := v_taken & p_mask[k];
      ELSE
        SELECT coalesce(sum(cardinality(b.seats)) FILTER (WHERE b.holder_id = p_holder[k]), 0),
               coalesce(sum(cardinality(b.seats)) FILTER (WHERE b.holder_kind = 'guest'), 0)
        INTO v_mine, v_guests
        FROM booking AS b
        WHERE b.trip_id = v_trip AND b.status = 'held' AND b.expires_at > v_now;
        v_count := cardinality(p_seats[k]::smallint[]);
        IF v_mine + v_count > p_holder_max THEN
          a_outcome[k] := 'holder_full';
        ELSIF p_holder_kind[k] = 'guest' AND p_guest_share IS NOT NULL
              AND v_guests + v_count > greatest(10, v_seats_sellable * p_guest_share / 1000) THEN
          a_outcome[k] := 'guests_full';
        ELSE
          a_outcome[k] := 'held';
          a_end[k] := least(v_now + make_interval(secs => p_ttl_s[k]), v_close);
          v_taken := v_taken | p_mask[k];
          INSERT INTO booking (
            booking_id, trip_id, reference, holder_kind, holder_id, seats, first_leg, last_leg, mask,
            passenger_types, fares_minor, total_minor, currency, created_at, expires_at, expires_at_max)
          VALUES (
            p_booking[k], v_trip, p_reference[k], p_holder_kind[k], p_holder[k],
            p_seats[k]::smallint[], p_first[k], p_last[k], p_mask[k],
            p_types[k]::text[], p_fares[k]::bigint[], p_total[k], p_currency[k], v_now, a_end[k],
            least(v_now + make_interval(secs => p_ttl_max_s), v_close));
          INSERT INTO booking_reference (reference, booking_id, trip_id)
          VALUES (p_reference[k], p_booking[k], v_trip);
        END IF;
      END IF;
    END LOOP;
    IF v_taken <> v_taken_before THEN
      UPDATE trip_inventory SET taken = v_taken, version = version + 1 WHERE trip_id = v_trip;
    END IF;
    i := j + 1;
  END LOOP;
  RETURN QUERY SELECT * FROM unnest(a_outcome, a_now, a_end, a_conflict);
END $$;

-- Sell a held booking's seats, or an expired one's by late money. The outcomes: confirmed, already,
-- released, cancelled (the booking's own end), trip_cancelled, too_late, sales_closed, seats_gone,
-- other_booking (the holder has another confirmed booking on this trip), no_booking.
-- p_learned_at: when the money was first known here, by this database's clock. 0 rows are never returned.
CREATE FUNCTION confirm_booking_1(
  p_trip uuid, p_booking uuid, p_learned_at timestamptz, p_late interval
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  b record;
  inv record;
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, seats, first_leg, last_leg, mask, expires_at, holder_id INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'no_booking'; END IF;
  IF b.status = 'confirmed' THEN RETURN 'already'; END IF;
  IF b.status IN ('released', 'cancelled') THEN RETURN b.status; END IF;
  SELECT status, sales_close_at INTO inv FROM trip_inventory WHERE trip_id = p_trip;
  IF inv.status = 'cancelled' THEN RETURN 'trip_cancelled'; END IF;
  IF b.status = 'expired' OR b.expires_at <= v_now THEN
    IF p_learned_at > b.expires_at + p_late THEN RETURN 'too_late'; END IF;
    IF inv.status <> 'on_sale' OR inv.sales_close_at <= v_now THEN RETURN 'sales_closed'; END IF;
    IF EXISTS (SELECT 1 FROM booking AS o
               WHERE o.trip_id = p_trip AND o.holder_id = b.holder_id AND o.status = 'confirmed') THEN
      RETURN 'other_booking';
    END IF;
    PERFORM expire_trip_1(p_trip, v_now);
    UPDATE trip_inventory SET taken = taken | b.mask
    WHERE trip_id = p_trip AND bit_count(taken & b.mask) = 0;
    IF NOT FOUND THEN RETURN 'seats_gone'; END IF;
  END IF;
  UPDATE booking SET status = 'confirmed', confirmed_at = v_now, ended_at = NULL, version = version + 1
  WHERE trip_id = p_trip AND booking_id = p_booking AND status IN ('held', 'expired');
  UPDATE trip_inventory SET sold = sold | b.mask, version = version + 1 WHERE trip_id = p_trip;
  INSERT INTO seat_sold (trip_id, seat, leg, booking_id)
  SELECT p_trip, s, l, p_booking
  FROM unnest(b.seats) AS s, generate_series(b.first_leg, b.last_leg - 1) AS l;
  RETURN 'confirmed';
END $$;

-- Give a hold's seats back. The outcomes: released, expired (it had ended by itself), confirmed or
-- cancelled (it is no hold any more), no_booking; began says whether a payment was begun for it.
CREATE FUNCTION release_hold_1(p_trip uuid, p_booking uuid, OUT outcome text, OUT began boolean)
LANGUAGE plpgsql AS $$
DECLARE
  b record;
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, mask, expires_at, payment_began_at INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN outcome := 'no_booking'; RETURN; END IF;
  began := b.payment_began_at IS NOT NULL;
  IF b.status <> 'held' THEN outcome := b.status; RETURN; END IF;
  outcome := CASE WHEN b.expires_at <= v_now THEN 'expired' ELSE 'released' END;
  UPDATE booking SET status = outcome, ended_at = v_now, version = version + 1
  WHERE trip_id = p_trip AND booking_id = p_booking AND status = 'held';
  UPDATE trip_inventory SET taken = taken & ~b.mask, version = version + 1 WHERE trip_id = p_trip;
END $$;

-- Give back some seats of a confirmed booking (p_mask: their bits over its legs), all of them: cancelled.
-- The outcomes: cancelled (its last seat went), partly, not_confirmed, not_its_seats, no_booking.
CREATE FUNCTION cancel_seats_1(p_trip uuid, p_booking uuid, p_seats smallint[], p_mask varbit)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  b record;
  v_now timestamptz;
  v_cancelled smallint[];
  v_is_last boolean;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, seats, cancelled_seats, mask INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'no_booking'; END IF;
  IF b.status <> 'confirmed' THEN RETURN 'not_confirmed'; END IF;
  IF NOT b.seats @> p_seats OR b.cancelled_seats && p_seats OR bit_count(p_mask & ~b.mask) > 0 THEN
    RETURN 'not_its_seats';
  END IF;
  v_cancelled := b.cancelled_seats || p_seats;
  v_is_last := cardinality(v_cancelled) = cardinality(b.seats);
  UPDATE booking
  SET cancelled_seats = v_cancelled, mask = mask & ~p_mask, version = version + 1,
      status = CASE WHEN v_is_last THEN 'cancelled' ELSE status END,
      ended_at = CASE WHEN v_is_last THEN v_now ELSE ended_at END
  WHERE trip_id = p_trip AND booking_id = p_booking;
  DELETE FROM seat_sold WHERE trip_id = p_trip AND booking_id = p_booking AND seat = ANY (p_seats);
  UPDATE ticket SET status = 'cancelled'
  WHERE trip_id = p_trip AND booking_id = p_booking AND seat = ANY (p_seats);
  UPDATE trip_inventory SET taken = taken & ~p_mask, sold = sold & ~p_mask, version = version + 1
  WHERE trip_id = p_trip;
  RETURN CASE WHEN v_is_last THEN 'cancelled' ELSE 'partly' END;
END $$;

-- Which seats are free on all of [first, last) of each trip at this instant (a due hold's seats are
-- free), one bit a seat from the left, and how many; trips whose sales are not open are left out.
CREATE FUNCTION seats_left_1(p_trip uuid[], p_first smallint[], p_last smallint[])
RETURNS TABLE (trip_id uuid, seats_left integer, free varbit, sales_close_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
  SELECT r.t, bit_count(f.free)::integer, f.free::varbit, inv.sales_close_at
  FROM unnest(p_trip, p_first, p_last) AS r (t, f, l)
  JOIN trip_inventory AS inv ON inv.trip_id = r.t
  LEFT JOIN LATERAL (
    SELECT bit_or(b.mask) AS mask FROM booking AS b
    WHERE b.trip_id = r.t AND b.status = 'held' AND b.expires_at <= v_now) AS due ON true
  CROSS JOIN LATERAL (
    SELECT ~bit_or(substring(inv.taken & ~coalesce(due.mask, inv.taken & ~inv.taken)
                             FROM leg * inv.n_seats + 1 FOR inv.n_seats)) AS free
    FROM generate_series(r.f::integer, r.l - 1) AS leg) AS f
  WHERE inv.status = 'on_sale' AND inv.sales_close_at > v_now;
END $$;
