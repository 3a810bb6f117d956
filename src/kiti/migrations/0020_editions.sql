-- A feed that is imported again and again: how far its last import moved its calendars, so that the next
-- one compares each trip with the same week. And sales that a person closed while a review held them
-- closed, too: neither of the two may open what the other has closed.

-- squawk-ignore ban-drop-constraint
ALTER TABLE trip_inventory DROP CONSTRAINT trip_inventory_closed_by_check;
ALTER TABLE trip_inventory ADD CONSTRAINT trip_inventory_closed_by_check
  CHECK (closed_by IN ('clock', 'hand', 'review', 'hand_and_review')) NOT VALID;

-- The last import that wrote trips of a feed. shift_weeks: as many whole weeks later its calendars run.
CREATE TABLE feed_edition (
  feed text CONSTRAINT feed_edition_pkey PRIMARY KEY,
  shift_weeks integer NOT NULL,
  written_at timestamptz NOT NULL,
  CONSTRAINT feed_edition_feed_check CHECK (length(feed) BETWEEN 1 AND 100)
);
