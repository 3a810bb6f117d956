-- Bookings that went with their trip to other times: whoever bought before may give them up for all they
-- paid. Null: the trip leaves as it was sold.
ALTER TABLE booking ADD COLUMN moved_at timestamptz;
