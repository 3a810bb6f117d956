-- What passengers know a trip by, whatever its source calls it: an edition that numbers trips, routes or
-- stops anew lists the same journeys, and a stop that comes to mean another place is another stop, with
-- the one that was sold kept beside it. Everything here is added; the release before goes on beside it.

-- A stop that its source has given another meaning (elsewhere, another clock, another name) goes on under
-- a code of its own; this is the code that it had. Null: the stop as its source has it now.
ALTER TABLE stop ADD COLUMN former_code text
  CONSTRAINT stop_former_code_check CHECK (length(former_code) BETWEEN 1 AND 300);
-- Few stops are ever former, and only imports write stops; those wait for the moment this takes.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stop_former ON stop (feed, former_code) WHERE former_code IS NOT NULL;

-- A pattern's stops and times, as digests. No route and no sequence: neither is anything that a passenger
-- sees. `path` says by what code the source knows each stop, whatever it means by it now: the same vehicle;
-- `calls` which stops they are, and where one may board and leave: what was promised. Its twin is
-- `network.model.journey_of`.
CREATE FUNCTION pattern_journey_1(wanted uuid) RETURNS TABLE (path text, calls text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT
    encode(sha256(convert_to(string_agg(
      format('%s %s %s', call.arrival_s, call.departure_s, coalesce(stop.former_code, stop.code)),
      E'\n' ORDER BY call.position), 'UTF8')), 'hex'),
    encode(sha256(convert_to(string_agg(
      format('%s %s %s%s %s', call.arrival_s, call.departure_s, call.pickup::integer,
        call.drop_off::integer, call.stop_id),
      E'\n' ORDER BY call.position), 'UTF8')), 'hex')
  FROM pattern_call call
  JOIN stop ON stop.stop_id = call.stop_id
  WHERE call.pattern_id = wanted;
END;
