-- The price of a segment. A fare table never changes once trips use it: new prices are a new table,
-- so that what was read once may be kept, and trips are pointed at the new one.
CREATE TABLE fare_table (
  fare_table_id uuid CONSTRAINT fare_table_pkey PRIMARY KEY,
  name text NOT NULL,
  currency text NOT NULL,
  per_km_minor bigint,
  minimum_minor bigint,
  digest text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT fare_table_digest_key UNIQUE (digest),
  CONSTRAINT fare_table_name_check CHECK (length(name) BETWEEN 1 AND 200),
  CONSTRAINT fare_table_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT fare_table_per_km_check CHECK (
    (per_km_minor IS NULL) = (minimum_minor IS NULL)
    AND per_km_minor BETWEEN 0 AND 1000000000000 AND minimum_minor BETWEEN 0 AND 1000000000000)
);
CREATE TABLE fare (
  fare_table_id uuid NOT NULL CONSTRAINT fare_fare_table_id_fkey REFERENCES fare_table,
  from_stop_id uuid NOT NULL,
  to_stop_id uuid NOT NULL,
  class text NOT NULL,
  passenger_type text NOT NULL,
  amount_minor bigint NOT NULL,
  CONSTRAINT fare_pkey PRIMARY KEY (fare_table_id, from_stop_id, to_stop_id, class, passenger_type),
  CONSTRAINT fare_amount_check CHECK (amount_minor BETWEEN 0 AND 1000000000000),
  CONSTRAINT fare_class_check CHECK (length(class) BETWEEN 1 AND 100),
  CONSTRAINT fare_passenger_type_check CHECK (
    passenger_type IN ('ADULT', 'CHILD', 'INFANT', 'STUDENT', 'SENIOR'))
);
-- What a class or a passenger type pays of the adult standard fare where the table has no own fare:
-- thousandths, so 1500 is half as much again and 500 is half.
CREATE TABLE fare_share (
  fare_table_id uuid NOT NULL CONSTRAINT fare_share_fare_table_id_fkey REFERENCES fare_table,
  kind text NOT NULL,
  name text NOT NULL,
  per_mille integer NOT NULL,
  CONSTRAINT fare_share_pkey PRIMARY KEY (fare_table_id, kind, name),
  CONSTRAINT fare_share_kind_check CHECK (kind IN ('CLASS', 'TYPE')),
  CONSTRAINT fare_share_per_mille_check CHECK (per_mille BETWEEN 0 AND 100000)
);
