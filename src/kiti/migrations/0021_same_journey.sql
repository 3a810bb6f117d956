-- What passengers know a trip by, whatever its source calls it: an edition that numbers trips, routes or
-- stops anew lists the same journeys, and a stop that comes to mean another place is another stop, with
-- the one that was sold kept beside it. Everything here is added; the release before goes on beside it.

-- A pattern's stops and times, as a digest, and the same with where passengers may board and leave. No
-- route and no sequence: neither is anything that a passenger sees. Its twin is `network.model.journey_of`.
CREATE FUNCTION pattern_journey_1(wanted uuid) RETURNS TABLE (path text, calls text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT
    encode(sha256(convert_to(string_agg(
      format('%s %s %s', stop_id, arrival_s, departure_s), E'\n' ORDER BY position), 'UTF8')), 'hex'),
    encode(sha256(convert_to(string_agg(
      format('%s %s %s %s%s', stop_id, arrival_s, departure_s, pickup::integer, drop_off::integer),
      E'\n' ORDER BY position), 'UTF8')), 'hex')
  FROM pattern_call
  WHERE pattern_id = wanted;
END;

-- A stop that its source has given another meaning (elsewhere, another clock, another name) goes on under
-- a code of its own; this is the code that it had. Null: the stop as its source has it now.
ALTER TABLE stop ADD COLUMN former_code text
  CONSTRAINT stop_former_code_check CHECK (length(former_code) BETWEEN 1 AND 300);
-- Few stops are ever former, and only imports write stops; those wait for the moment this takes.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stop_former ON stop (feed, former_code) WHERE former_code IS NOT NULL;
