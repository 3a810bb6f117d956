-- Timetables kept as rules: what runs on which days. Trips are made from them some days ahead, by the job
-- make-trips. A calendar never changes once written (it is found again by its digest); a schedule's rule is
-- changed from a date on by ending its row there and beginning another.
CREATE TABLE service_calendar (
  calendar_id uuid CONSTRAINT service_calendar_pkey PRIMARY KEY,
  operator_id uuid NOT NULL CONSTRAINT service_calendar_operator_id_fkey REFERENCES operator,
  digest text NOT NULL,
  weekdays text NOT NULL,
  valid_from date,
  valid_until date,
  on_holiday text NOT NULL,
  CONSTRAINT service_calendar_operator_id_digest_key UNIQUE (operator_id, digest),
  CONSTRAINT service_calendar_weekdays_check CHECK (weekdays ~ '^[01]{7}$'),
  CONSTRAINT service_calendar_valid_check CHECK (valid_until > valid_from),
  CONSTRAINT service_calendar_on_holiday_check CHECK (on_holiday IN ('AS_USUAL', 'NOT', 'AS_SUNDAY'))
);
CREATE TABLE calendar_exception (
  calendar_id uuid NOT NULL CONSTRAINT calendar_exception_calendar_id_fkey REFERENCES service_calendar,
  service_date date NOT NULL,
  runs boolean NOT NULL,
  CONSTRAINT calendar_exception_pkey PRIMARY KEY (calendar_id, service_date)
);

-- Public holidays of a country, and those of one operator alone.
CREATE TABLE holiday (
  holiday_id uuid CONSTRAINT holiday_pkey PRIMARY KEY,
  country text,
  operator_id uuid CONSTRAINT holiday_operator_id_fkey REFERENCES operator,
  holiday_on date NOT NULL,
  name text NOT NULL,
  CONSTRAINT holiday_country_operator_id_holiday_on_key
    UNIQUE NULLS NOT DISTINCT (country, operator_id, holiday_on),
  CONSTRAINT holiday_scope_check CHECK ((country IS NULL) <> (operator_id IS NULL)),
  CONSTRAINT holiday_country_check CHECK (country ~ '^[A-Z]{2}$'),
  CONSTRAINT holiday_name_check CHECK (length(name) BETWEEN 1 AND 200)
);

-- A source of schedules: its trips carry its name. Whoever changes its schedules locks this row.
CREATE TABLE schedule_feed (
  feed text CONSTRAINT schedule_feed_pkey PRIMARY KEY,
  days_ahead smallint NOT NULL,
  CONSTRAINT schedule_feed_feed_check CHECK (length(feed) BETWEEN 1 AND 100),
  CONSTRAINT schedule_feed_days_ahead_check CHECK (days_ahead BETWEEN 1 AND 732)
);

-- One departure of a timetable, as a rule for the service dates of [valid_from, valid_until).
-- departure_s counts from noon minus 12 hours of the service date on the clock of timezone.
CREATE TABLE schedule (
  schedule_id uuid CONSTRAINT schedule_pkey PRIMARY KEY,
  feed text NOT NULL CONSTRAINT schedule_feed_fkey REFERENCES schedule_feed,
  code text NOT NULL,
  operator_id uuid NOT NULL CONSTRAINT schedule_operator_id_fkey REFERENCES operator,
  pattern_id uuid NOT NULL CONSTRAINT schedule_pattern_id_fkey REFERENCES pattern,
  layout_id uuid NOT NULL CONSTRAINT schedule_layout_id_fkey REFERENCES layout,
  fare_table_id uuid NOT NULL CONSTRAINT schedule_fare_table_id_fkey REFERENCES fare_table,
  calendar_id uuid NOT NULL CONSTRAINT schedule_calendar_id_fkey REFERENCES service_calendar,
  departure_s integer NOT NULL,
  timezone text NOT NULL,
  sales_close_minutes integer NOT NULL,
  valid_from date NOT NULL,
  valid_until date,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT schedule_feed_code_valid_from_calendar_id_key UNIQUE (feed, code, valid_from, calendar_id),
  CONSTRAINT schedule_code_check CHECK (length(code) BETWEEN 1 AND 300),
  CONSTRAINT schedule_departure_check CHECK (departure_s BETWEEN 0 AND 864000),
  CONSTRAINT schedule_sales_close_minutes_check CHECK (sales_close_minutes BETWEEN 0 AND 10080),
  CONSTRAINT schedule_valid_check CHECK (valid_until > valid_from)
);
