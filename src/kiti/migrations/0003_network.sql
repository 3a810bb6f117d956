-- What travels where: operators, cities and stops with their other names, routes, layouts, vehicles,
-- patterns (the calls that trips share) and trips. Written rarely, never in a sale's transaction.
CREATE TABLE operator (
  operator_id uuid CONSTRAINT operator_pkey PRIMARY KEY,
  code text NOT NULL,
  name text NOT NULL,
  timezone text NOT NULL,
  phone text,
  sales_close_minutes integer NOT NULL DEFAULT 10,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT operator_code_key UNIQUE (code),
  CONSTRAINT operator_code_check CHECK (length(code) BETWEEN 1 AND 300),
  CONSTRAINT operator_name_check CHECK (length(name) BETWEEN 1 AND 200),
  CONSTRAINT operator_phone_check CHECK (length(phone) BETWEEN 1 AND 40),
  CONSTRAINT operator_sales_close_minutes_check CHECK (sales_close_minutes BETWEEN 0 AND 10080)
);

CREATE TABLE city (
  city_id uuid CONSTRAINT city_pkey PRIMARY KEY,
  name text NOT NULL,
  country text NOT NULL,
  timezone text NOT NULL,
  latitude double precision,
  longitude double precision,
  CONSTRAINT city_country_name_key UNIQUE (country, name),
  CONSTRAINT city_name_check CHECK (length(name) BETWEEN 1 AND 200),
  CONSTRAINT city_country_check CHECK (country ~ '^[A-Z]{2}$'),
  CONSTRAINT city_place_check CHECK (
    (latitude IS NULL) = (longitude IS NULL)
    AND latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
);

-- feed and code are the stop's identity in its source: a second import finds it again.
CREATE TABLE stop (
  stop_id uuid CONSTRAINT stop_pkey PRIMARY KEY,
  feed text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  city_id uuid CONSTRAINT stop_city_id_fkey REFERENCES city,
  timezone text NOT NULL,
  latitude double precision,
  longitude double precision,
  landmark text,
  CONSTRAINT stop_feed_code_key UNIQUE (feed, code),
  CONSTRAINT stop_feed_check CHECK (length(feed) BETWEEN 1 AND 100),
  CONSTRAINT stop_code_check CHECK (length(code) BETWEEN 1 AND 300),
  CONSTRAINT stop_name_check CHECK (length(name) BETWEEN 1 AND 300),
  CONSTRAINT stop_landmark_check CHECK (length(landmark) BETWEEN 1 AND 300),
  CONSTRAINT stop_place_check CHECK (
    (latitude IS NULL) = (longitude IS NULL)
    AND latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
);
CREATE INDEX stop_city ON stop (city_id);

-- Every name people may type for a city or stop, folded (no case, no diacritics) for a prefix search:
-- a row for the whole name and one from each later word on. word counts the words left out before it.
CREATE TABLE place_name (
  place_id uuid NOT NULL,
  kind text NOT NULL,
  folded text NOT NULL,
  word smallint NOT NULL,
  CONSTRAINT place_name_pkey PRIMARY KEY (place_id, folded),
  CONSTRAINT place_name_kind_check CHECK (kind IN ('CITY', 'STOP')),
  CONSTRAINT place_name_folded_check CHECK (length(folded) BETWEEN 1 AND 100),
  CONSTRAINT place_name_word_check CHECK (word >= 0)
);
CREATE INDEX place_name_folded ON place_name (folded text_pattern_ops);

CREATE TABLE layout (
  layout_id uuid CONSTRAINT layout_pkey PRIMARY KEY,
  name text NOT NULL,
  sha256 text NOT NULL,
  text text NOT NULL,
  seats smallint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT layout_sha256_key UNIQUE (sha256),
  CONSTRAINT layout_name_check CHECK (length(name) BETWEEN 1 AND 100),
  CONSTRAINT layout_text_check CHECK (octet_length(text) <= 66000),
  CONSTRAINT layout_seats_check CHECK (seats BETWEEN 1 AND 2000)
);

CREATE TABLE vehicle (
  vehicle_id uuid CONSTRAINT vehicle_pkey PRIMARY KEY,
  operator_id uuid NOT NULL CONSTRAINT vehicle_operator_id_fkey REFERENCES operator,
  plate text NOT NULL,
  layout_id uuid NOT NULL CONSTRAINT vehicle_layout_id_fkey REFERENCES layout,
  CONSTRAINT vehicle_operator_id_plate_key UNIQUE (operator_id, plate),
  CONSTRAINT vehicle_plate_check CHECK (length(plate) BETWEEN 1 AND 40)
);

CREATE TABLE route (
  route_id uuid CONSTRAINT route_pkey PRIMARY KEY,
  operator_id uuid NOT NULL CONSTRAINT route_operator_id_fkey REFERENCES operator,
  feed text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  mode text NOT NULL,
  CONSTRAINT route_feed_code_key UNIQUE (feed, code),
  CONSTRAINT route_feed_check CHECK (length(feed) BETWEEN 1 AND 100),
  CONSTRAINT route_code_check CHECK (length(code) BETWEEN 1 AND 300),
  CONSTRAINT route_name_check CHECK (length(name) BETWEEN 1 AND 300),
  CONSTRAINT route_mode_check CHECK (mode IN ('BUS', 'FERRY', 'RAIL', 'OTHER'))
);

-- A pattern never changes: another sequence or other times are another pattern, found by its digest.
-- Offsets are seconds after the departure from its first call.
CREATE TABLE pattern (
  pattern_id uuid CONSTRAINT pattern_pkey PRIMARY KEY,
  route_id uuid NOT NULL CONSTRAINT pattern_route_id_fkey REFERENCES route,
  digest text NOT NULL,
  CONSTRAINT pattern_route_id_digest_key UNIQUE (route_id, digest)
);
CREATE TABLE pattern_call (
  pattern_id uuid NOT NULL CONSTRAINT pattern_call_pattern_id_fkey REFERENCES pattern,
  position smallint NOT NULL,
  sequence integer NOT NULL,
  stop_id uuid NOT NULL CONSTRAINT pattern_call_stop_id_fkey REFERENCES stop,
  arrival_s integer NOT NULL,
  departure_s integer NOT NULL,
  pickup boolean NOT NULL,
  drop_off boolean NOT NULL,
  CONSTRAINT pattern_call_pkey PRIMARY KEY (pattern_id, position),
  CONSTRAINT pattern_call_sequence_key UNIQUE (pattern_id, sequence),
  CONSTRAINT pattern_call_position_check CHECK (position BETWEEN 0 AND 199),
  CONSTRAINT pattern_call_times_check CHECK (
    departure_s >= arrival_s AND (position > 0 OR departure_s = 0))
);
CREATE INDEX pattern_call_stop ON pattern_call (stop_id, pattern_id, position);

-- One run of a route on one service date. feed, code and service_date are its identity in its source.
-- fare_table_id names a table of the fares slice, which stands above this one. version goes up with every
-- change of the row, and its copy in trip_inventory refuses a hold that was priced from an older one.
CREATE TABLE trip (
  trip_id uuid CONSTRAINT trip_pkey PRIMARY KEY,
  operator_id uuid NOT NULL CONSTRAINT trip_operator_id_fkey REFERENCES operator,
  pattern_id uuid NOT NULL CONSTRAINT trip_pattern_id_fkey REFERENCES pattern,
  layout_id uuid NOT NULL CONSTRAINT trip_layout_id_fkey REFERENCES layout,
  fare_table_id uuid NOT NULL,
  feed text NOT NULL,
  code text NOT NULL,
  service_date date NOT NULL,
  starts_at timestamptz NOT NULL,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT trip_feed_code_service_date_key UNIQUE (feed, code, service_date),
  CONSTRAINT trip_feed_check CHECK (length(feed) BETWEEN 1 AND 100),
  CONSTRAINT trip_code_check CHECK (length(code) BETWEEN 1 AND 300),
  CONSTRAINT trip_version_check CHECK (version >= 1)
);
CREATE INDEX trip_pattern_starts ON trip (pattern_id, starts_at, trip_id);
