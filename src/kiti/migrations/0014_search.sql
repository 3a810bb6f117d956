-- Search at scale. Names with a letter wrong are found among those that share most trigrams with what was
-- typed; of names that begin alike the busy places come first; the stops near a point are found by place.
-- pg_trgm is a trusted extension: the owner of the database may create it, and one that is there stays.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Whole names alone, for each later word of a name is within it; cities apart, for they are few among stops.
-- These tables are small and written by imports alone: seconds without a write to them harm nobody.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX place_name_city_trigrams ON place_name
  USING gist (folded gist_trgm_ops (siglen = 64)) WHERE word = 0 AND kind = 'CITY';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX place_name_stop_trigrams ON place_name
  USING gist (folded gist_trgm_ops (siglen = 64)) WHERE word = 0 AND kind = 'STOP';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stop_place ON stop USING gist (point(longitude, latitude)) WHERE latitude IS NOT NULL;

-- How busy a place is, in doublings of its trips of the next days; a place without a row has none.
-- Apart from its names, which an import writes anew.
CREATE TABLE place_traffic (
  place_id uuid CONSTRAINT place_traffic_pkey PRIMARY KEY,
  level smallint NOT NULL,
  CONSTRAINT place_traffic_level_check CHECK (level BETWEEN 1 AND 62)
);
