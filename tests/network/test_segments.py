from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kiti.network.layout import parse_layout
from kiti.network.model import (
    Call,
    Segment,
    SegmentBackwards,
    StopNotOnTrip,
    TripSheet,
)

LAYOUT = parse_layout("1: A B . C D")
STARTS_AT = datetime(2030, 6, 3, 6, 0, tzinfo=UTC)
NOBODY = UUID(int=0)


def stop(letter: str) -> UUID:
    return UUID(int=ord(letter))


def named(letter: str | None) -> UUID | None:
    return None if letter is None else stop(letter)


def trip(stops: str, *, no_pickup: str = "", no_drop_off: str = "") -> TripSheet:
    """A trip that calls at these letters; positions where nobody may board or leave by digit."""
    calls = tuple(
        Call(
            position=position,
            sequence=5 + 3 * position,
            stop_id=stop(letter),
            name=f"Stop {letter}",
            city=None,
            timezone="Africa/Lagos",
            latitude=None,
            longitude=None,
            arrives_at=STARTS_AT + timedelta(hours=position),
            departs_at=STARTS_AT + timedelta(hours=position, minutes=5),
            pickup=str(position) not in no_pickup,
            drop_off=str(position) not in no_drop_off,
        )
        for position, letter in enumerate(stops)
    )
    return TripSheet(
        trip_id=NOBODY,
        version=1,
        operator_id=NOBODY,
        operator_name="Kiti Lines",
        service_date=date(2030, 6, 3),
        starts_at=STARTS_AT,
        layout_id=NOBODY,
        layout=LAYOUT,
        fare_table_id=NOBODY,
        calls=calls,
    )


@pytest.mark.parametrize(
    ("stops", "from_", "to", "segment"),
    [
        ("ABCD", "A", "D", (0, 3)),
        ("ABCD", "B", "C", (1, 2)),
        ("ABCD", None, "C", (0, 2)),
        ("ABCD", "C", None, (2, 3)),
        ("ABCD", None, None, (0, 3)),
        ("ABCA", "A", "B", (0, 1)),  # a loop: out
        ("ABCA", "C", "A", (2, 3)),  # and home
        ("ABCA", "A", "A", (0, 3)),  # all the way round
        ("ABCA", "A", None, (0, 3)),
        ("ABACA", "A", "A", (0, 2)),  # a tie: the earlier
        ("AABB", "A", "B", (1, 2)),  # a layover at both: the nearest pair
        ("ABCABC", "B", "A", (1, 3)),
        ("ABCABC", "A", "C", (0, 2)),
        ("ABCABC", "C", None, (2, 5)),  # C at the end is where it ends, so it boards before
        ("ABCABC", None, "A", (0, 3)),
        ("ABXAYB", "A", "B", (0, 1)),
        ("AXYBAB", "A", "B", (4, 5)),
    ],
)
def test_nearest_pair_of_calls(
    stops: str, from_: str | None, to: str | None, segment: tuple[int, int]
):
    got = trip(stops).segment(named(from_), named(to))
    assert got == Segment(*segment)
    assert got.n_legs == segment[1] - segment[0]


def test_a_sequence_names_a_call_exactly():
    sheet = trip("ABCABC")  # sequences 5, 8, 11, 14, 17, 20
    assert sheet.segment(from_sequence=5, to_sequence=20) == Segment(0, 5)
    assert sheet.segment(stop("A"), stop("C"), from_sequence=5, to_sequence=20) == Segment(0, 5)
    assert sheet.segment(stop("A"), stop("C"), to_sequence=20) == Segment(3, 5)
    assert sheet.segment(stop("A"), stop("C"), from_sequence=14) == Segment(3, 5)


@pytest.mark.parametrize(
    ("from_", "to", "sequences"),
    [
        ("Z", "B", (None, None)),
        ("A", "Z", (None, None)),
        (None, None, (6, None)),
        (None, None, (None, 99)),
        ("A", None, (8, None)),  # 8 is a call at B
        (None, "C", (None, 14)),
    ],
)
def test_a_call_the_trip_does_not_make(
    from_: str | None, to: str | None, sequences: tuple[int | None, int | None]
):
    with pytest.raises(StopNotOnTrip) as refused:
        trip("ABCABC").segment(named(from_), named(to), *sequences)
    assert (refused.value.status, refused.value.code()) == (422, "STOP_NOT_ON_TRIP")
    assert refused.value.detail == "The trip does not call there."


@pytest.mark.parametrize(("from_", "to"), [("C", "A"), ("D", None), (None, "A"), ("B", "B")])
def test_backwards_is_refused(from_: str | None, to: str | None):
    with pytest.raises(SegmentBackwards) as refused:
        trip("ABCD").segment(named(from_), named(to))
    assert (refused.value.status, refused.value.code()) == (422, "SEGMENT_BACKWARDS")


def test_nobody_boards_where_the_trip_only_sets_down():
    sheet = trip("ABCD", no_pickup="12", no_drop_off="12")
    with pytest.raises(StopNotOnTrip) as refused:
        sheet.segment(stop("B"), stop("D"))
    assert refused.value.detail == "Nobody may board at Stop B."
    with pytest.raises(StopNotOnTrip) as refused:
        sheet.segment(stop("A"), stop("C"))
    assert refused.value.detail == "Nobody may leave at Stop C."
    with pytest.raises(StopNotOnTrip) as refused:
        trip("ABC", no_pickup="012").segment()
    assert refused.value.detail == "Nobody may board at this trip."


def test_a_call_without_pickup_is_passed_over_for_one_with():
    assert trip("ABA C", no_pickup="0").segment(stop("A"), stop("C")) == Segment(2, 4)
    assert trip("ACBA", no_pickup="3").segment(stop("A"), stop("B")) == Segment(0, 2)


def test_the_ends_are_the_first_boarding_and_the_last_leaving():
    assert trip("ABCD", no_pickup="0", no_drop_off="3").segment() == Segment(1, 2)


def brute_force(
    sheet: TripSheet, from_: tuple[UUID | None, int | None], to: tuple[UUID | None, int | None]
) -> Segment | None:
    """Every pair of calls, the nearest first, the earlier on a tie: the first that fits."""
    calls = sheet.calls
    first_open = [call.position for call in calls if call.pickup][:1]
    last_open = [call.position for call in calls if call.drop_off][-1:]
    for length in range(1, len(calls)):
        for first in range(len(calls) - length):
            last = first + length
            boards = calls[first].pickup and _is_meant(calls[first], from_, first_open)
            leaves = calls[last].drop_off and _is_meant(calls[last], to, last_open)
            if boards and leaves:
                return Segment(first, last)
    return None


def _is_meant(call: Call, asked: tuple[UUID | None, int | None], end: list[int]) -> bool:
    stop_id, sequence = asked
    if stop_id is None and sequence is None:
        return call.position in end
    return stop_id in {None, call.stop_id} and sequence in {None, call.sequence}


DIGITS = st.text(alphabet="0123456789", max_size=6)
ASKED = st.tuples(
    st.none() | st.sampled_from("ABCZ").map(stop),
    st.none() | st.integers(0, 9).map(lambda n: 5 + 3 * n),
)


@given(st.text(alphabet="ABC", min_size=2, max_size=10), DIGITS, DIGITS, ASKED, ASKED)
def test_the_segment_is_what_a_search_of_all_pairs_finds(
    stops: str,
    no_pickup: str,
    no_drop_off: str,
    from_: tuple[UUID | None, int | None],
    to: tuple[UUID | None, int | None],
):
    sheet = trip(stops, no_pickup=no_pickup, no_drop_off=no_drop_off)
    expected = brute_force(sheet, from_, to)
    try:
        got = sheet.segment(from_[0], to[0], from_[1], to[1])
    except (StopNotOnTrip, SegmentBackwards):
        got = None
    assert got == expected


@given(
    st.text(alphabet="ABC", min_size=2, max_size=8), st.sampled_from("ABC"), st.sampled_from("ABC")
)
def test_stops_alone_find_a_segment_whenever_one_is_ahead_of_the_other(
    stops: str, from_: str, to: str
):
    assume(from_ in stops and to in stops)
    is_ahead = any(to in stops[at + 1 :] for at, letter in enumerate(stops) if letter == from_)
    if is_ahead:
        segment = trip(stops).segment(stop(from_), stop(to))
        assert (stops[segment.first], stops[segment.last]) == (from_, to)
    else:
        with pytest.raises(SegmentBackwards):
            trip(stops).segment(stop(from_), stop(to))


def test_local_times_are_of_each_stops_own_zone():
    [call, *_] = trip("AB").calls
    assert call.local_departure.isoformat() == "2030-06-03T07:05:00+01:00"
    assert call.local_arrival.isoformat() == "2030-06-03T07:00:00+01:00"
