-- A timetable that is read again: whose turn it is to write a feed's trips, what a trip was before it was
-- changed (bookings that ended earlier still show it), and what a person has to decide about a trip that
-- changed after it was sold. Everything here is added; the release before goes on beside it.

-- One renewal of a feed at a time. A run that dies leaves its lease to end.
CREATE TABLE feed_turn (
  feed text CONSTRAINT feed_turn_pkey PRIMARY KEY,
  lease_id uuid NOT NULL,
  leased_until timestamptz NOT NULL,
  CONSTRAINT feed_turn_feed_check CHECK (length(feed) BETWEEN 1 AND 100)
);

-- A trip as it was while its stock had this shape, kept only where a booking may refer to it: a booking
-- that ended under an older shape is of that trip, not of what became of it.
CREATE TABLE trip_former (
  trip_id uuid NOT NULL,
  shape integer NOT NULL,
  version integer NOT NULL,
  operator_id uuid NOT NULL CONSTRAINT trip_former_operator_id_fkey REFERENCES operator,
  pattern_id uuid NOT NULL CONSTRAINT trip_former_pattern_id_fkey REFERENCES pattern,
  layout_id uuid NOT NULL CONSTRAINT trip_former_layout_id_fkey REFERENCES layout,
  fare_table_id uuid NOT NULL,
  service_date date NOT NULL,
  starts_at timestamptz NOT NULL,
  CONSTRAINT trip_former_pkey PRIMARY KEY (trip_id, shape)
);

-- What the timetable says of a trip that stays as it was sold, for a person: null columns: it lists the
-- trip no more. In force while undecided, and after `keep` for as long as the timetable says the same.
CREATE TABLE trip_review (
  review_id uuid CONSTRAINT trip_review_pkey PRIMARY KEY,
  trip_id uuid NOT NULL,
  kind text NOT NULL,
  operator_id uuid,
  pattern_id uuid,
  layout_id uuid,
  starts_at timestamptz,
  sales_close_at timestamptz,
  found_at timestamptz NOT NULL,
  decision text,
  decided_at timestamptz,
  decided_by text,
  CONSTRAINT trip_review_kind_check CHECK (kind IN ('changed', 'gone')),
  CONSTRAINT trip_review_wanted_check CHECK (
    num_nulls(operator_id, pattern_id, layout_id, starts_at, sales_close_at)
      = CASE kind WHEN 'gone' THEN 5 ELSE 0 END),
  -- withdrawn: the timetable says what was sold again, or something else; settled: no booking was left.
  CONSTRAINT trip_review_decision_check CHECK (
    decision IN ('keep', 'move', 'withdrawn', 'settled')
    AND (decision IS NULL) = (decided_at IS NULL)),
  CONSTRAINT trip_review_decided_by_check CHECK (length(decided_by) BETWEEN 1 AND 200)
);
CREATE UNIQUE INDEX trip_review_in_force ON trip_review (trip_id)
  WHERE decision IS NULL OR decision = 'keep';
CREATE INDEX trip_review_open ON trip_review (found_at, review_id) WHERE decision IS NULL;

-- A feed's trips of one day, in the order of their codes. Only imports write trips, and they wait.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX trip_feed_day ON trip (feed, service_date, code);
