-- The seat functions for trips that change under sale, and for closing and cancelling them.
-- A trip's vehicle or stops may be changed in place while nothing of it is held or sold. Masks of bookings
-- that ended before then are of another shape: they may be as long as the new bitmap and mean other seats.
-- So each shape of a trip has a number, a booking keeps the number it was born under, and no function ever
-- lets a mask of another shape touch the bitmaps. hold_many_1 had two faults besides: it read what is taken
-- and what is due in two snapshots (a seat whose hold had just ended was refused between the two), and it
-- compared masks before it asked whether the request was made for the trip as it is now.

-- shape goes up when a trip's bitmaps are made anew. closed_by: who closed the sales; null while they are
-- open, or when not known. A person may open again what a person closed.
ALTER TABLE trip_inventory ADD COLUMN shape integer NOT NULL DEFAULT 1;
ALTER TABLE trip_inventory ADD COLUMN closed_by text;
ALTER TABLE trip_inventory ADD CONSTRAINT trip_inventory_closed_by_check
  CHECK (closed_by IN ('clock', 'hand', 'review')) NOT VALID;
-- The shape that mask is of; null: written by a server of the release before, of the shape of that moment.
ALTER TABLE booking ADD COLUMN shape integer;

-- Whether a booking's mask may touch the trip's bitmaps.
CREATE FUNCTION mask_fits_1(p_mask varbit, p_shape integer, p_taken varbit, p_trip_shape integer)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT bit_length(p_mask) = bit_length(p_taken) AND coalesce(p_shape, p_trip_shape) = p_trip_shape
$$;

-- As before, and masks of another shape are left out. Same name: what it promises is the same, and
-- servers of the release before, which call it too, must not fail on a trip that was changed.
CREATE OR REPLACE FUNCTION expire_trip_1(p_trip uuid, p_now timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_count integer;
  v_mask varbit;
BEGIN
  WITH ended AS (
    UPDATE booking AS b SET status = 'expired', ended_at = p_now, version = b.version + 1
    FROM trip_inventory AS inv
    WHERE inv.trip_id = p_trip AND b.trip_id = p_trip AND b.status = 'held' AND b.expires_at <= p_now
    RETURNING CASE WHEN mask_fits_1(b.mask, b.shape, inv.taken, inv.shape) THEN b.mask END AS mask)
  SELECT count(*), bit_or(mask) INTO v_count, v_mask FROM ended;
  IF v_mask IS NOT NULL THEN
    UPDATE trip_inventory SET taken = taken & ~v_mask, version = version + 1 WHERE trip_id = p_trip;
  END IF;
  RETURN v_count;
END $$;

-- Hold seats for many requests at once: each all or nothing, in the order given, decided under its trip's
-- lock. Requests must come sorted by trip (ids ascending), so that batches lock in one order. The outcomes:
-- held, unavailable (conflict = the bits in the way), stale (made for an older sheet or shape),
-- sales_closed, cancelled, no_trip, holder_full, guests_full.
-- A trip where nobody can win is answered from what is committed, without its lock: losers are quick.
-- p_guest_share: how many thousandths of the seats guests may hold unsold, all together, and never fewer
-- than ten seats; null: no limit.
CREATE FUNCTION hold_many_2(
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
  v_shape integer;
  v_seats_sellable integer;
  v_taken varbit;
  v_taken_before varbit;
  v_due varbit;
  v_now timestamptz;
  v_is_due boolean;
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

    -- What is taken and what of it is due, in one statement: of one snapshot.
    v_now := clock_timestamp();
    SELECT inv.status, inv.sales_close_at, inv.sheet_version, inv.taken,
           (SELECT bit_or(b.mask) FROM booking AS b
            WHERE b.trip_id = v_trip AND b.status = 'held' AND b.expires_at <= v_now
              AND mask_fits_1(b.mask, b.shape, inv.taken, inv.shape))
    INTO v_status, v_close, v_sheet, v_taken, v_due
    FROM trip_inventory AS inv WHERE inv.trip_id = v_trip;
    IF v_taken IS NULL THEN
      FOR k IN i..j LOOP a_outcome[k] := 'no_trip'; a_now[k] := v_now; END LOOP;
      i := j + 1;
      CONTINUE;
    END IF;
    IF v_due IS NOT NULL THEN v_taken := v_taken & ~v_due; END IF;
    v_live := false;
    IF v_status = 'on_sale' AND v_close > v_now THEN
      FOR k IN i..j LOOP
        IF v_sheet = p_sheet[k] AND bit_length(p_mask[k]) = bit_length(v_taken) THEN
          IF bit_count(v_taken & p_mask[k]) = 0 THEN v_live := true; EXIT; END IF;
        END IF;
      END LOOP;
    END IF;

    IF v_live THEN
      PERFORM 1 FROM trip_inventory AS inv WHERE inv.trip_id = v_trip FOR NO KEY UPDATE;
      v_now := clock_timestamp();
      SELECT inv.status, inv.sales_close_at, inv.sheet_version, inv.shape, inv.taken,
             inv.n_seats - bit_count(substring(inv.blocked FROM 1 FOR inv.n_seats)),
             EXISTS (SELECT 1 FROM booking AS b
                     WHERE b.trip_id = v_trip AND b.status = 'held' AND b.expires_at <= v_now)
      INTO v_status, v_close, v_sheet, v_shape, v_taken, v_seats_sellable, v_is_due
      FROM trip_inventory AS inv WHERE inv.trip_id = v_trip;
      IF v_is_due THEN
        PERFORM expire_trip_1(v_trip, v_now);
        SELECT inv.taken INTO v_taken FROM trip_inventory AS inv WHERE inv.trip_id = v_trip;
      END IF;
    END IF;
    -- Without the lock only a refusal may follow: v_taken is what was read before, never read again.
    v_taken_before := v_taken;

    FOR k IN i..j LOOP
      a_now[k] := v_now;
      IF v_status = 'cancelled' THEN
        a_outcome[k] := 'cancelled';
      ELSIF v_status <> 'on_sale' OR v_close <= v_now THEN
        a_outcome[k] := 'sales_closed';
      ELSIF v_sheet <> p_sheet[k] OR bit_length(p_mask[k]) <> bit_length(v_taken) THEN
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
            shape, passenger_types, fares_minor, total_minor, currency, created_at, expires_at,
            expires_at_max)
          VALUES (
            p_booking[k], v_trip, p_reference[k], p_holder_kind[k], p_holder[k],
            p_seats[k]::smallint[], p_first[k], p_last[k], p_mask[k],
            v_shape, p_types[k]::text[], p_fares[k]::bigint[], p_total[k], p_currency[k], v_now,
            a_end[k], least(v_now + make_interval(secs => p_ttl_max_s), v_close));
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
-- released, cancelled (the booking's own end), trip_cancelled, too_late, sales_closed, seats_gone (also
-- when the trip has another vehicle or other stops by now), other_booking (the holder has another
-- confirmed booking on this trip), no_booking.
-- p_learned_at: when the money was first known here, by this database's clock.
CREATE FUNCTION confirm_booking_2(
  p_trip uuid, p_booking uuid, p_learned_at timestamptz, p_late interval
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  b record;
  inv record;
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, seats, first_leg, last_leg, mask, shape, expires_at, holder_id INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'no_booking'; END IF;
  IF b.status = 'confirmed' THEN RETURN 'already'; END IF;
  IF b.status IN ('released', 'cancelled') THEN RETURN b.status; END IF;
  SELECT status, sales_close_at, taken, shape INTO inv FROM trip_inventory WHERE trip_id = p_trip;
  IF inv.status = 'cancelled' THEN RETURN 'trip_cancelled'; END IF;
  IF b.status = 'expired' OR b.expires_at <= v_now THEN
    IF p_learned_at > b.expires_at + p_late THEN RETURN 'too_late'; END IF;
    IF inv.status <> 'on_sale' OR inv.sales_close_at <= v_now THEN RETURN 'sales_closed'; END IF;
    IF EXISTS (SELECT 1 FROM booking AS o
               WHERE o.trip_id = p_trip AND o.holder_id = b.holder_id AND o.status = 'confirmed') THEN
      RETURN 'other_booking';
    END IF;
    IF NOT mask_fits_1(b.mask, b.shape, inv.taken, inv.shape) THEN RETURN 'seats_gone'; END IF;
    PERFORM expire_trip_1(p_trip, v_now);
    UPDATE trip_inventory SET taken = taken | b.mask
    WHERE trip_id = p_trip AND bit_count(taken & b.mask) = 0;
    IF NOT FOUND THEN RETURN 'seats_gone'; END IF;
  ELSIF NOT mask_fits_1(b.mask, b.shape, inv.taken, inv.shape) THEN
    RETURN 'seats_gone';
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
CREATE FUNCTION release_hold_2(p_trip uuid, p_booking uuid, OUT outcome text, OUT began boolean)
LANGUAGE plpgsql AS $$
DECLARE
  b record;
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, mask, shape, expires_at, payment_began_at INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN outcome := 'no_booking'; RETURN; END IF;
  began := b.payment_began_at IS NOT NULL;
  IF b.status <> 'held' THEN outcome := b.status; RETURN; END IF;
  outcome := CASE WHEN b.expires_at <= v_now THEN 'expired' ELSE 'released' END;
  UPDATE booking SET status = outcome, ended_at = v_now, version = version + 1
  WHERE trip_id = p_trip AND booking_id = p_booking AND status = 'held';
  UPDATE trip_inventory AS inv
  SET taken = CASE WHEN mask_fits_1(b.mask, b.shape, inv.taken, inv.shape)
                   THEN inv.taken & ~b.mask ELSE inv.taken END,
      version = inv.version + 1
  WHERE inv.trip_id = p_trip;
END $$;

-- Give back some seats of a confirmed booking, all of them: cancelled.
-- The outcomes: cancelled (its last seat went), partly, not_confirmed, not_its_seats, no_booking.
CREATE FUNCTION cancel_seats_2(p_trip uuid, p_booking uuid, p_seats smallint[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  b record;
  inv record;
  v_now timestamptz;
  v_cancelled smallint[];
  v_is_last boolean;
  v_mask varbit;
  v_seat integer;
  v_leg integer;
BEGIN
  PERFORM 1 FROM trip_inventory WHERE trip_id = p_trip FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  SELECT status, seats, cancelled_seats, first_leg, last_leg, mask, shape INTO b
  FROM booking WHERE trip_id = p_trip AND booking_id = p_booking FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'no_booking'; END IF;
  IF b.status <> 'confirmed' THEN RETURN 'not_confirmed'; END IF;
  IF cardinality(p_seats) = 0 OR NOT b.seats @> p_seats OR b.cancelled_seats && p_seats
     OR cardinality(p_seats) <> (SELECT count(DISTINCT s) FROM unnest(p_seats) AS s) THEN
    RETURN 'not_its_seats';
  END IF;
  v_cancelled := b.cancelled_seats || p_seats;
  v_is_last := cardinality(v_cancelled) = cardinality(b.seats);
  SELECT taken, n_seats, shape INTO inv FROM trip_inventory WHERE trip_id = p_trip;
  v_mask := b.mask & ~b.mask;
  IF mask_fits_1(b.mask, b.shape, inv.taken, inv.shape) THEN
    FOREACH v_seat IN ARRAY p_seats LOOP
      FOR v_leg IN b.first_leg .. b.last_leg - 1 LOOP
        v_mask := set_bit(v_mask, v_leg * inv.n_seats + v_seat, 1);
      END LOOP;
    END LOOP;
    UPDATE trip_inventory SET taken = taken & ~v_mask, sold = sold & ~v_mask, version = version + 1
    WHERE trip_id = p_trip;
  END IF;
  UPDATE booking
  SET cancelled_seats = v_cancelled, mask = mask & ~v_mask, version = version + 1,
      status = CASE WHEN v_is_last THEN 'cancelled' ELSE status END,
      ended_at = CASE WHEN v_is_last THEN v_now ELSE ended_at END
  WHERE trip_id = p_trip AND booking_id = p_booking;
  DELETE FROM seat_sold WHERE trip_id = p_trip AND booking_id = p_booking AND seat = ANY (p_seats);
  UPDATE ticket SET status = 'cancelled'
  WHERE trip_id = p_trip AND booking_id = p_booking AND seat = ANY (p_seats);
  RETURN CASE WHEN v_is_last THEN 'cancelled' ELSE 'partly' END;
END $$;

-- Which seats are free on all of [first, last) of each trip at this instant (a due hold's seats are
-- free), one bit a seat from the left, and how many; trips whose sales are not open, or which have fewer
-- legs by now, are left out.
CREATE FUNCTION seats_left_2(p_trip uuid[], p_first smallint[], p_last smallint[])
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
    WHERE b.trip_id = r.t AND b.status = 'held' AND b.expires_at <= v_now
      AND mask_fits_1(b.mask, b.shape, inv.taken, inv.shape)) AS due ON true
  CROSS JOIN LATERAL (
    SELECT ~bit_or(substring(inv.taken & ~coalesce(due.mask, inv.taken & ~inv.taken)
                             FROM leg * inv.n_seats + 1 FOR inv.n_seats)) AS free
    FROM generate_series(r.f::integer, r.l - 1) AS leg) AS f
  WHERE inv.status = 'on_sale' AND inv.sales_close_at > v_now AND r.l <= inv.n_legs;
END $$;

-- Sales to be closed by the clock. Trips are many and past ones stay: without it each look reads them all.
-- It is built in about a second for a million trips, and holds wait for so long: fewer than lock_timeout.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX trip_inventory_open ON trip_inventory (sales_close_at) WHERE status = 'on_sale';

-- A trip that its operator has cancelled, and how far that has come: done_at is when no booking of it was
-- live any more. cancelled_by: an account's id, or null for whoever has the command line.
CREATE TABLE trip_cancellation (
  trip_id uuid CONSTRAINT trip_cancellation_pkey PRIMARY KEY,
  reason text NOT NULL,
  cancelled_by uuid,
  cancelled_at timestamptz NOT NULL,
  done_at timestamptz,
  CONSTRAINT trip_cancellation_reason_check CHECK (length(reason) BETWEEN 1 AND 200),
  CONSTRAINT trip_cancellation_done_check CHECK (done_at >= cancelled_at)
);
