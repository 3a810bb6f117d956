"""Fares of many segments: what is found beside a filter, and what a small file may cost."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_make import FILES, read
from kiti.platform.money import Money
from kiti.timetable.fare_rules import OwnFare, Steps, ZoneFares
from kiti.timetable.gtfs.model import FareRule, FeedFare, Route, Stop
from kiti.timetable.model import BadFares, PerKm
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, Tariffs, make_tariffs

PER_KM = FareSource("NGN", per_km=PerKm(10_000, 50_000))
ATTRIBUTES = "fare_id,price,currency_type,payment_method,transfers\n"
ROUTE = Route("R", "A", "R", "BUS")
ZONES = st.sampled_from(["", "x", "y", "z"])
RULES = st.lists(
    st.builds(
        FareRule, st.sampled_from(["", "R", "Q"]), ZONES, ZONES,
        st.frozensets(st.sampled_from(["x", "y", "z", "w"]), max_size=2),
    ),
    max_size=3,
)  # fmt: skip


def stop(name: str, zone: str) -> Stop:
    return Stop(name, name, 6.0, 3.0, "Africa/Lagos", zone, is_boarding_point=True)


def long_feed(patterns: Sequence[Sequence[int]], *, stops: int, extra: str = "") -> dict[str, str]:
    """A feed whose first route has these patterns, a second one two stops; a zone for each stop."""
    calls = [
        f"T{number},{at},s{place},{6 + at // 60}:{at % 60:02}:00,{6 + at // 60}:{at % 60:02}:00\n"
        for number, places in enumerate(patterns)
        for at, place in enumerate(places)
    ]
    trips = "".join(f"R,daily,T{number}\n" for number in range(len(patterns)))
    return {
        "routes.txt": FILES["routes.txt"] + "S,A,Short,3\n",
        "stops.txt": "stop_id,stop_name,stop_lat,stop_lon,zone_id\n"
        + "".join(f"s{n},S{n},6,{3 + n / 1000},z{n}\n" for n in range(stops)),
        "trips.txt": f"route_id,service_id,trip_id\n{trips}S,daily,S\n",
        "stop_times.txt": FILES["stop_times.txt"].splitlines()[0]
        + "\n"
        + "".join(
            f"{t},{n},{s},{a},{d}\n" for t, n, s, a, d in (c.strip().split(",") for c in calls)
        )
        + "S,1,s0,8:00:00,8:00:00\nS,2,s1,9:00:00,9:00:00\n",
        "fare_attributes.txt": ATTRIBUTES + (extra or "flat,5.00,NGN,0,\n"),
    }


def price(
    folder: Path, changes: dict[str, str], *, classes: tuple[str, ...] = ("STANDARD",)
) -> tuple[Tariffs, Report]:
    feed, report = read(folder, changes)
    tariffs = make_tariffs(
        feed, PER_KM, fare_map={}, classes=classes, patterns=feed.patterns, report=report
    )
    return tariffs, report


@settings(deadline=None)
@given(st.lists(RULES, min_size=1, max_size=4), st.lists(ZONES, min_size=2, max_size=6))
def test_the_index_finds_what_every_rule_asked_one_by_one_gives(
    of_fares: list[list[FareRule]], zones: list[str]
):
    fares = [
        FeedFare(f"f{number}", Money(number, "NGN"), "", tuple(rules))
        for number, rules in enumerate(of_fares)
    ]
    stops = [stop(f"s{at}", zone) for at, zone in enumerate(zones)]
    find = ZoneFares(fares, Steps()).of_calls(ROUTE, stops)
    for last in range(1, len(zones)):
        for first in range(last):
            wanted = {
                OwnFare(fare.fare_id, fare.price)
                for fare in fares
                for rule in fare.rules or (FareRule("", "", "", frozenset()),)
                if rule.route_id in {"", "R"}
                and rule.origin_zone in {"", zones[first]}
                and rule.destination_zone in {"", zones[last]}
                and rule.contains <= set(zones[first : last + 1])
            }
            assert set(find(first, last)) == wanted


def test_a_route_with_too_many_fares_is_left_out_and_the_others_are_sold(tmp_path: Path):
    there = range(190)
    feed = long_feed([there, [*reversed(range(190, 230)), *reversed(range(40, 190))]], stops=230)
    tariffs, report = price(tmp_path, feed, classes=("STANDARD", "VIP"))
    assert report.findings[Code.ROUTE_WITH_TOO_MANY_FARES].examples == ["R"]
    assert (tariffs.by_route["R"].fares, tariffs.by_route["R"].per_km) == ({}, None)
    assert len(tariffs.by_route["S"].fares) == 2
    assert len(tariffs.sold_patterns) == 1


def test_patterns_that_call_at_the_same_stops_are_priced_once(tmp_path: Path):
    """Ten patterns of 160 stops, which differ in one time: 127,200 segments, 12,720 fares."""
    feed = long_feed([range(160)] * 10, stops=160)
    head, *rows = feed["stop_times.txt"].splitlines()
    for number in range(10):
        at = next(n for n, row in enumerate(rows) if row.startswith(f"T{number},159,"))
        rows[at] = f"T{number},159,s159,8:39:{number:02},8:39:{number:02}"
    feed["stop_times.txt"] = "\n".join([head, *rows])
    tariffs, _ = price(tmp_path, feed)
    assert len(tariffs.by_route["R"].fares) == 12_720
    assert len(tariffs.sold_patterns) == 11


def test_segments_beyond_any_timetable_are_refused_before_they_are_priced(tmp_path: Path):
    """Two hundred patterns, each without one of 200 stops."""
    feed = long_feed([[n for n in range(200) if n != skip] for skip in range(200)], stops=200)
    parsed, report = read(tmp_path, feed)
    many = [pattern for pattern in parsed.patterns if pattern.route_id == "R"]
    assert sum(pattern.count_segments() for pattern in many) == 200 * 199 * 198 // 2
    assert all(one.count_segments() == len(list(one.segments())) for one in many[:3])
    with pytest.raises(BadFares, match=r"3,940,201 segments to price; 1,000,000 at most"):
        make_tariffs(
            parsed, PER_KM, fare_map={}, classes=("STANDARD",), patterns=parsed.patterns,
            report=report, segments_max=1_000_000,
        )  # fmt: skip


def test_fares_that_take_too_long_to_find_are_refused():
    stops = [stop(f"s{n}", f"z{n}") for n in range(50)]
    fares = [
        FeedFare(f"f{n}", Money(n, "NGN"), "", (FareRule("", "", "", frozenset({f"z{n}"})),))
        for n in range(50)
    ]
    find = ZoneFares(fares, Steps(100_000)).of_calls(ROUTE, stops)
    assert len(find(0, 49)) == 50
    with pytest.raises(BadFares, match="more than 100,000 steps"):
        _ = [find(first, last) for last in range(1, 50) for first in range(last)]
