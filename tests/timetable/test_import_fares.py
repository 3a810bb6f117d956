from collections.abc import Mapping
from pathlib import Path

import pytest

from feed_make import FILES, read
from kiti.fares.model import AMOUNT_MINOR_MAX
from kiti.timetable.fares_csv import read_fares_csv
from kiti.timetable.model import BadFares, FareUse, PerKm, parse_fare_use
from kiti.timetable.own_fares import Fares
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, Tariff, make_tariffs

HEADER = "from_stop_id,to_stop_id,class,amount\n"
ATTRIBUTES = "fare_id,price,currency_type,payment_method,transfers\n"
PER_KM = FareSource("NGN", per_km=PerKm(10_000, 50_000))
LOS_ABV = ("LOS", "ABV")


def price(
    folder: Path,
    changes: Mapping[str, str | bytes | None],
    source: FareSource = PER_KM,
    *,
    fare_map: Mapping[str, FareUse] | None = None,
    classes: tuple[str, ...] = ("STANDARD",),
) -> tuple[Tariff, Report]:
    """The tariff of the small feed's one route."""
    feed, report = read(folder, changes)
    tariffs = make_tariffs(
        feed, source, fare_map=fare_map or {}, classes=classes, patterns=feed.patterns,
        report=report,
    )  # fmt: skip
    return tariffs.by_route["R"], report


def of_pair(fares: Fares, pair: tuple[str, str] = LOS_ABV) -> dict[tuple[str, str], int]:
    return {key[2:]: amount for key, amount in fares.items() if key[:2] == pair}


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "fares.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_csv_is_read_by_stops_and_class(tmp_path: Path):
    feed, _ = read(tmp_path)
    path = csv_file(
        tmp_path,
        "\ufeffamount,class,to_stop_id,from_stop_id,note\r\n500000,STANDARD,IBA,LOS,x\r\n"
        "750000, vip ,IBA,LOS,\r\n\r\n500000,STANDARD,IBA,LOS,again\r\n0,STANDARD,LOS,IBA,free",
    )
    assert read_fares_csv(path, feed) == {
        ("LOS", "IBA"): {"STANDARD": 500_000, "VIP": 750_000},
        ("IBA", "LOS"): {"STANDARD": 0},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "fares.csv is empty"),
        ("from_stop_id,to_stop_id,class\n", "line 1: the column amount is missing"),
        (HEADER + "LOS,IBA,STANDARD,500000\nLOS,XXX,STANDARD,1\n", "line 3: .*no stop 'XXX'"),
        (HEADER + "LOS,IBA,STANDARD,5000.00\n", "line 2: the amount '5000.00'"),
        (HEADER + "LOS,IBA,STANDARD,-1\n", "line 2: the amount '-1'"),
        (HEADER + "LOS,IBA,STANDARD,\n", "line 2: the amount ''"),
        (HEADER + "LOS,IBA,STANDARD,5e3\n", "line 2: the amount"),
        (HEADER + f"LOS,IBA,STANDARD,{AMOUNT_MINOR_MAX + 1}\n", "line 2: the amount"),
        (HEADER + "LOS,IBA,,5000\n", "line 2: '' is no seat class"),
        (HEADER + "LOS,IBA,=cmd,5000\n", "line 2: '=cmd' is no seat class"),
        (HEADER + "LOS,IBA,VIP,1\n\nLOS,IBA,VIP,2\n", "line 4: another amount"),
        (HEADER + "LOS,IBA,STANDARD,5,000\n", "line 2: a row with more values than its file"),
        (HEADER + 'LOS,IBA,"STAN\nDARD",5000\n', "line 3: a row that goes on over several lines"),
        (HEADER.encode() + b"LOS,IBA,STANDARD,5000\nL\xd2S,IBA,V,1\n", "line 3: .*UTF-8"),
    ],
)
def test_a_mistake_in_the_csv_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str):
    feed, _ = read(tmp_path)
    with pytest.raises(BadFares, match=said):
        read_fares_csv(csv_file(tmp_path, text), feed)


def test_a_csv_that_is_not_there_is_told(tmp_path: Path):
    feed, _ = read(tmp_path)
    with pytest.raises(BadFares, match=r"none\.csv cannot be read"):
        read_fares_csv(tmp_path / "none.csv", feed)


def test_a_stop_that_only_stop_times_knows_is_no_mistake_in_the_csv(tmp_path: Path):
    feed, _ = read(
        tmp_path, {"stop_times.txt": FILES["stop_times.txt"] + "T,4,GHOST,20:00:00,20:00:00\n"}
    )
    path = csv_file(tmp_path, HEADER + "LOS,GHOST,STANDARD,5000\n")
    assert read_fares_csv(path, feed) == {("LOS", "GHOST"): {"STANDARD": 5000}}


def test_segments_without_a_fare_are_counted_and_not_sold(tmp_path: Path):
    source = FareSource("NGN", matrix={LOS_ABV: {"VIP": 9}, ("ABV", "LOS"): {"VIP": 9}})
    tariff, report = price(tmp_path, {}, source, classes=("STANDARD", "VIP"))
    assert tariff.fares == {("LOS", "ABV", "VIP", "ADULT"): 9}
    assert report.count(Code.SEGMENT_WITHOUT_FARE) == 2
    assert report.count(Code.CLASS_WITHOUT_FARE) == 1
    assert report.count(Code.FARE_ROW_UNUSED) == 1


def test_a_class_that_no_seat_has_is_remarked(tmp_path: Path):
    _, report = price(tmp_path, {}, FareSource("NGN", matrix={LOS_ABV: {"SLEEPER": 9}}))
    assert report.findings[Code.CLASS_NOT_IN_LAYOUT].examples == ["SLEEPER"]
    assert report.count(Code.SEGMENT_WITHOUT_FARE) == 3


def test_kilometres_price_every_segment_between_known_places(tmp_path: Path):
    stops = FILES["stops.txt"].replace("7.3775,3.9470", ",")
    tariff, report = price(tmp_path, {"stops.txt": stops})
    assert (tariff.per_km, tariff.fares) == (PER_KM.per_km, {})
    assert report.count(Code.SEGMENT_WITHOUT_FARE) == 2
    assert report.fares == ["NGN on 1 route: 10,000 a kilometre, 50,000 at least (minor units)"]


def test_the_only_fare_of_the_feed_is_used_and_keeps_its_currency(tmp_path: Path):
    tariff, report = price(tmp_path, {"fare_attributes.txt": ATTRIBUTES + "all,12.5,KES,0,\n"})
    assert tariff.currency == "KES"
    assert tariff.per_km is None
    assert len(tariff.fares) == 3
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 1250}
    assert report.findings[Code.OWN_FARES_WIN].examples == ["R (KES)"]
    assert report.count(Code.FARE_RIVALS) == 0


RIVALS = {
    "fare_attributes.txt": ATTRIBUTES + "low,10,NGN,0,\nhigh,30,NGN,0,\nmid,20,NGN,0,\n",
    "fare_rules.txt": (
        "fare_id,route_id,origin_id,destination_id\nlow,R,z1,z3\nhigh,,z1,z3\nmid,R,z1,\n"
    ),
}


def test_of_unmapped_rivals_the_highest_is_taken_and_reported(tmp_path: Path):
    tariff, report = price(tmp_path, RIVALS, classes=("STANDARD", "VIP"))
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 3000, ("VIP", "ADULT"): 3000}
    assert of_pair(tariff.fares, ("LOS", "IBA")) == {
        ("STANDARD", "ADULT"): 2000, ("VIP", "ADULT"): 2000,
    }  # fmt: skip
    assert of_pair(tariff.fares, ("IBA", "ABV")) == {}
    assert tariff.per_km == PER_KM.per_km
    assert report.findings[Code.FARE_RIVALS].examples == ["LOS to ABV: high of 3, 30.00 NGN"]
    assert report.findings[Code.FARE_UNUSED].examples == ["low"]


def test_mapped_fares_are_used_as_mapped_and_never_undercut_an_open_class(tmp_path: Path):
    fare_map = {"low": FareUse("STANDARD", "CHILD"), "mid": FareUse("STANDARD", "ADULT")}
    tariff, report = price(tmp_path, RIVALS, fare_map=fare_map, classes=("STANDARD", "VIP"))
    assert of_pair(tariff.fares) == {
        ("STANDARD", "CHILD"): 1000,
        ("STANDARD", "ADULT"): 2000,
        ("VIP", "ADULT"): 3000,
    }
    assert report.count(Code.FARE_RIVALS) == 0
    assert report.count(Code.FARE_UNUSED) == 0


def test_two_fares_mapped_to_one_use_are_settled_by_the_highest(tmp_path: Path):
    use = FareUse("STANDARD", "ADULT")
    tariff, _ = price(tmp_path, RIVALS, fare_map=dict.fromkeys(("low", "mid", "high"), use))
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 3000}


def test_a_fare_of_another_agency_or_route_does_not_apply(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            "fare_attributes.txt": (
                "fare_id,price,currency_type,agency_id\nours,10,NGN,A\ntheirs,99,NGN,B\n"
                "other,88,NGN,\nbad,1.234,NGN,\nworse,1,XQZ,\n"
            ),
            "fare_rules.txt": "fare_id,route_id\nother,Q\nnone,R\nbad,Q\nworse,Q\n",
        },
    )
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 1000}
    assert report.count(Code.BAD_FARE) == 2
    assert report.count(Code.FARE_RULE_WITHOUT_FARE) == 1
    assert report.count(Code.FARE_UNUSED) == 2


UNREADABLE: Mapping[str, str] = {
    "fare_attributes.txt": ATTRIBUTES + "lo,10.00,NGN,0,\nhi,5000.005,NGN,0,\n"
}


def test_a_rival_of_a_fare_that_cannot_be_read_is_not_sold(tmp_path: Path):
    tariff, report = price(tmp_path, UNREADABLE)
    assert (tariff.fares, tariff.per_km) == ({}, None)
    assert report.fares == ["NGN on 1 route: no fares"]
    assert report.count(Code.FARE_UNREADABLE_RIVAL) == report.count(Code.SEGMENT_WITHOUT_FARE) == 3
    assert report.count(Code.BAD_FARE) == 1


def test_a_csv_or_a_map_says_what_a_segment_with_an_unreadable_fare_costs(tmp_path: Path):
    standard = FareUse("STANDARD", "ADULT")
    source = FareSource("NGN", matrix={LOS_ABV: {"STANDARD": 7}})
    tariff, _ = price(tmp_path, UNREADABLE, source)
    assert tariff.fares == {(*LOS_ABV, "STANDARD", "ADULT"): 7}
    tariff, report = price(tmp_path, UNREADABLE, fare_map={"lo": standard})
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 1000}
    assert report.count(Code.FARE_UNREADABLE_RIVAL) == 0
    # The class that is not mapped would pay the standard fare, which is not known to be its own.
    tariff, _ = price(tmp_path, UNREADABLE, fare_map={"lo": standard}, classes=("STANDARD", "VIP"))
    assert (tariff.fares, tariff.per_km) == ({}, None)
    tariff, _ = price(tmp_path, UNREADABLE, fare_map={"hi": standard})
    assert (tariff.fares, tariff.per_km) == ({}, None)


def test_a_fare_that_cannot_be_read_and_has_no_rival_is_none(tmp_path: Path):
    tariff, report = price(tmp_path, {"fare_attributes.txt": ATTRIBUTES + "hi,5000.005,NGN,0,\n"})
    assert (tariff.fares, tariff.per_km) == ({}, PER_KM.per_km)
    assert report.count(Code.BAD_FARE) == 1
    assert report.count(Code.FARE_UNREADABLE_RIVAL) == report.count(Code.FARE_UNUSED) == 0


def test_a_fare_that_contains_zones_needs_all_of_them_passed(tmp_path: Path):
    tariff, _ = price(
        tmp_path,
        {
            "fare_attributes.txt": ATTRIBUTES + "two,10,NGN,0,\nthree,30,NGN,0,\n",
            "fare_rules.txt": (
                "fare_id,contains_id\ntwo,z1\ntwo,z2\nthree,z1\nthree,z2\nthree,z3\n"
            ),
        },
    )
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 3000}
    assert of_pair(tariff.fares, ("LOS", "IBA")) == {("STANDARD", "ADULT"): 1000}
    assert of_pair(tariff.fares, ("IBA", "ABV")) == {}


def test_a_csv_in_the_same_currency_prices_what_the_feed_does_not(tmp_path: Path):
    source = FareSource("NGN", matrix={LOS_ABV: {"STANDARD": 1}, ("IBA", "ABV"): {"STANDARD": 7}})
    tariff, _ = price(tmp_path, RIVALS, source)
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 3000}
    assert of_pair(tariff.fares, ("IBA", "ABV")) == {("STANDARD", "ADULT"): 7}


def test_a_route_sells_in_the_currency_that_most_of_its_segments_have(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            "fare_attributes.txt": ATTRIBUTES + "dear,10,USD,0,\nall,30,KES,0,\n",
            "fare_rules.txt": "fare_id,origin_id,destination_id\ndear,z1,z3\n",
        },
    )
    assert tariff.currency == "KES"
    assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): 3000}
    assert report.findings[Code.FARE_OTHER_CURRENCY].examples == ["dear (USD)"]


def test_currencies_have_their_own_decimals(tmp_path: Path):
    for currency, amount in (("UGX", 5000), ("KES", 500_000), ("TND", 5_000_000)):
        tariff, _ = price(
            tmp_path, {"fare_attributes.txt": ATTRIBUTES + f"all,5000,{currency},0,\n"}
        )
        assert of_pair(tariff.fares) == {("STANDARD", "ADULT"): amount}


def test_fare_arguments_are_parsed_and_refused_in_words(tmp_path: Path):
    assert parse_fare_use("night=VIP/ADULT") == ("night", FareUse("VIP", "ADULT"))
    assert parse_fare_use("a=b=vip/child") == ("a=b", FareUse("VIP", "CHILD"))
    for wrong in ("night", "night=VIP", "=VIP/ADULT", "night=/ADULT", "night=VIP/"):
        with pytest.raises(BadFares, match="FARE_ID=CLASS/TYPE"):
            parse_fare_use(wrong)
    with pytest.raises(BadFares, match="ADULT, CHILD"):
        parse_fare_use("night=VIP/DOG")
    with pytest.raises(BadFares, match="no such fare; it has high, low, mid"):
        price(tmp_path, RIVALS, fare_map={"nigth": FareUse("VIP", "ADULT")})
