"""GTFS fares v2: products, leg rules, areas, networks, riders; beside a filter without an index."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_make import FILES, read
from kiti.platform.money import Money
from kiti.timetable.fare_rules import AreaFares, OwnFare, Steps
from kiti.timetable.gtfs.model import LegFares, LegRule, ProductPrice, Route, Stop
from kiti.timetable.gtfs.products import passenger_type
from kiti.timetable.model import BadFares, FareUse, PerKm
from kiti.timetable.own_fares import Fares
from kiti.timetable.remarks import Code
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, Tariff, make_tariffs

Changes = Mapping[str, str | bytes | None]
PER_KM = FareSource("NGN", per_km=PerKm(10_000, 50_000))
PRODUCTS = "fare_product_id,rider_category_id,fare_media_id,amount,currency\n"
RULES = "fare_product_id,network_id,from_area_id,to_area_id\n"
AREAS = {
    "areas.txt": "area_id\nwest\neast\n",
    "stop_areas.txt": "area_id,stop_id\nwest,LOS\nwest,IBA\neast,ABV\n",
}
RIDERS = {
    "rider_categories.txt": (
        "rider_category_id,rider_category_name,is_default_fare_category\n"
        "a,Adult,1\nc,Children (4-12),0\ns,Étudiants,0\nr,Residents,0\n"
    )
}


def price(
    folder: Path,
    changes: Changes,
    *,
    fare_map: Mapping[str, FareUse] | None = None,
    classes: tuple[str, ...] = ("STANDARD",),
) -> tuple[Tariff, Report]:
    feed, report = read(folder, changes)
    tariffs = make_tariffs(
        feed, PER_KM, fare_map=fare_map or {}, classes=classes, patterns=feed.patterns,
        report=report,
    )  # fmt: skip
    return tariffs.by_route["R"], report


def of_pair(fares: Fares, origin: str, destination: str) -> dict[tuple[str, str], int]:
    return {key[2:]: amount for key, amount in fares.items() if key[:2] == (origin, destination)}


def test_a_product_for_everywhere_is_an_adult_fare_in_its_own_currency(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {"fare_products.txt": PRODUCTS + "one,,,12.50,KES\n", "fare_leg_rules.txt": RULES + "one"},
    )
    assert tariff.currency == "KES"
    assert len(tariff.fares) == 3
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 1250}
    assert report.count(Code.OWN_FARES_WIN) == 1
    assert report.count(Code.FARE_RIVALS) == report.count(Code.FILE_UNUSED) == 0


def test_rules_go_by_area_and_what_is_open_means_all_that_no_rule_names(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            **AREAS,
            "fare_products.txt": PRODUCTS + "near,,,5,NGN\nfar,,,9,NGN\nother,,,99,NGN\n",
            "fare_leg_rules.txt": RULES + "near,,west,west\nfar,,west,east\nother,,,\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "IBA") == {("STANDARD", "ADULT"): 500}
    assert of_pair(tariff.fares, "IBA", "ABV") == {("STANDARD", "ADULT"): 900}
    # West is named as an origin by other rules, so the rule that leaves it open is not for it.
    assert report.findings[Code.FARE_UNUSED].examples == ["other"]


def test_with_priorities_what_is_open_does_not_matter_and_the_highest_counts(tmp_path: Path):
    tariff, _ = price(
        tmp_path,
        {
            **AREAS,
            "fare_products.txt": PRODUCTS + "near,,,5,NGN\nother,,,99,NGN\n",
            "fare_leg_rules.txt": (
                "fare_product_id,from_area_id,to_area_id,Rule_Priority\nnear,west,west,2\nother,,,\n"
            ),
        },
    )
    assert of_pair(tariff.fares, "LOS", "IBA") == {("STANDARD", "ADULT"): 500}
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 9900}


def test_rules_go_by_network_of_routes_or_of_route_networks(tmp_path: Path):
    rules = {
        "fare_products.txt": PRODUCTS + "bus,,,5,NGN\nboat,,,9,NGN\n",
        "fare_leg_rules.txt": RULES + "bus,B,,\nboat,F,,\n",
    }
    routes = "route_id,agency_id,route_long_name,route_type,network_id\nR,A,Lagos to Abuja,3,F\n"
    tariff, _ = price(tmp_path, {**rules, "routes.txt": routes})
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 900}
    networks = "network_id,route_id\nB,R\nB,NONE\n"
    tariff, _ = price(tmp_path, {**rules, "routes.txt": routes, "route_networks.txt": networks})
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 500}
    tariff, report = price(tmp_path, rules)
    assert of_pair(tariff.fares, "LOS", "ABV") == {}
    assert report.count(Code.FARE_UNUSED) == 2


def test_a_platform_is_in_the_areas_of_its_station_unless_it_has_its_own(tmp_path: Path):
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\n"
        "HUB,Hub,6.5,3.3,1,\nLOS,,,,0,HUB\nIBA,,,,0,HUB\nABV,Abuja,9.0,7.3,0,\n"
    )
    tariff, _ = price(
        tmp_path,
        {
            "stops.txt": stops,
            "stop_areas.txt": "area_id,stop_id\nwest,HUB\neast,ABV\nmid,IBA\n",
            "fare_products.txt": PRODUCTS + "far,,,9,NGN\nmid,,,7,NGN\n",
            "fare_leg_rules.txt": RULES + "far,,west,east\nmid,,mid,east\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 900}
    assert of_pair(tariff.fares, "IBA", "ABV") == {("STANDARD", "ADULT"): 700}


def test_rider_categories_are_types_of_passenger(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            **RIDERS,
            "fare_products.txt": PRODUCTS
            + "one,a,,10,NGN\none,c,,5,NGN\none,s,,7,NGN\none,r,,1,NGN",
            "fare_leg_rules.txt": RULES + "one",
        },
    )  # fmt: skip
    assert of_pair(tariff.fares, "LOS", "ABV") == {
        ("STANDARD", "ADULT"): 1000, ("STANDARD", "CHILD"): 500, ("STANDARD", "STUDENT"): 700,
    }  # fmt: skip
    assert report.findings[Code.RIDER_CATEGORY_UNKNOWN].examples == ["one for r"]
    assert report.count(Code.FARE_RIVALS) == 0


def test_a_fare_for_unknown_riders_alone_is_everybodys(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            **RIDERS,
            "fare_products.txt": PRODUCTS + "one,r,,10,NGN\n",
            "fare_leg_rules.txt": RULES + "one",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 1000}
    assert report.count(Code.RIDER_CATEGORY_UNKNOWN) == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("adult", "ADULT"), ("1 Regular fare", "ADULT"), ("Plein tarif ADULTE", "ADULT"),
        ("kids", "CHILD"), ("Crianças", "CHILD"), ("Bébé", "INFANT"), ("INFANTS", "INFANT"),
        ("student_card", "STUDENT"), ("Étudiant", "STUDENT"), ("Seniors 65+", "SENIOR"),
        ("aînés", "SENIOR"), ("", ""), ("reduced", ""), ("senior or student", ""),
        ("adulthood", ""), ("Non-student", ""), ("not a student", ""), ("tout sauf étudiants", ""),
        ("Adult (18-64)", "ADULT"), ("Senior citizen", "SENIOR"), ("ex-pupils", ""),
    ],
)  # fmt: skip
def test_the_words_of_a_category_name_one_type_or_none(words: str, kind: str):
    assert passenger_type(words) == kind


def test_a_category_says_who_it_is_for_by_its_name_before_its_id(tmp_path: Path):
    tariff, _ = price(
        tmp_path,
        {
            "rider_categories.txt": (
                "rider_category_id,rider_category_name\nstudent,Non-student\nchild,\n"
            ),
            # Were it nobody's price, adults would pay by the kilometre, which may be less.
            "fare_products.txt": PRODUCTS + "one,student,,100,NGN\none,child,,40,NGN\n",
            "fare_leg_rules.txt": RULES + "one\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == {
        ("STANDARD", "ADULT"): 10_000,
        ("STANDARD", "CHILD"): 4_000,
    }


@pytest.mark.parametrize(
    ("products", "fares"),
    [
        # One price of the product by its medium, one of another product: who knows the highest?
        ("one,,card,10,NGN\none,,cash,5000.005,NGN\n", {}),
        ("one,,,10,NGN\ntwo,,,5000.005,NGN\n", {}),
        # Children whose fare cannot be read pay what adults do.
        (
            "one,a,,10,NGN\ntwo,c,,5000.005,NGN\none,c,,4,NGN\n",
            {("STANDARD", "ADULT"): 1000},
        ),
        # Without a rival there just is no fare of the feed's.
        ("one,,,5000.005,NGN\n", {}),
    ],
)
def test_a_product_that_cannot_be_read_is_not_undercut_by_its_rivals(
    tmp_path: Path, products: str, fares: dict[tuple[str, str], int]
):
    tariff, report = price(
        tmp_path,
        {
            **RIDERS,
            "fare_products.txt": PRODUCTS + products,
            "fare_leg_rules.txt": RULES + "one\ntwo\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == fares
    assert report.count(Code.BAD_FARE) == 1
    has_rivals = not fares and products.count("\n") > 1
    assert report.count(Code.FARE_UNREADABLE_RIVAL) == 3 * has_rivals
    assert (tariff.per_km is None) == has_rivals


RIVALS: Changes = {
    **RIDERS,
    "fare_products.txt": PRODUCTS
    + "single,a,,10,NGN\nsingle,c,,5,NGN\nday,a,,30,NGN\nany,,,20,NGN\n",
    "fare_leg_rules.txt": RULES + "single,,,\nday,,,\nany,,,\n",
}


def test_of_unmapped_rivals_the_highest_of_each_type_is_taken_and_told(tmp_path: Path):
    tariff, report = price(tmp_path, RIVALS, classes=("STANDARD", "VIP"))
    assert of_pair(tariff.fares, "LOS", "ABV") == {
        ("STANDARD", "ADULT"): 3000, ("VIP", "ADULT"): 3000,
        ("STANDARD", "CHILD"): 500, ("VIP", "CHILD"): 500,
    }  # fmt: skip
    assert report.findings[Code.FARE_RIVALS].count == 3
    assert report.findings[Code.FARE_RIVALS].examples[0] == "LOS to IBA: day of 3, 30.00 NGN"


def test_a_mapped_product_keeps_what_its_categories_tell(tmp_path: Path):
    fare_map = {"single": FareUse("STANDARD", "ADULT"), "any": FareUse("STANDARD", "SENIOR")}
    tariff, report = price(tmp_path, RIVALS, fare_map=fare_map, classes=("STANDARD", "VIP"))
    assert of_pair(tariff.fares, "LOS", "ABV") == {
        ("STANDARD", "ADULT"): 1000, ("STANDARD", "CHILD"): 500, ("STANDARD", "SENIOR"): 2000,
        ("VIP", "ADULT"): 3000,
    }  # fmt: skip
    assert report.count(Code.FARE_RIVALS) == 0


def test_a_map_that_contradicts_the_categories_is_refused(tmp_path: Path):
    with pytest.raises(BadFares, match="single: by its rider categories it is for ADULT, CHILD"):
        price(tmp_path, RIVALS, fare_map={"single": FareUse("STANDARD", "SENIOR")})
    with pytest.raises(BadFares, match="no such fare; it has any, day, single"):
        price(tmp_path, RIVALS, fare_map={"week": FareUse("STANDARD", "ADULT")})


def test_a_mapped_product_also_uses_a_category_that_is_no_type(tmp_path: Path):
    changes = {
        **RIDERS,
        "fare_products.txt": PRODUCTS + "one,a,,10,NGN\none,r,,4,NGN\n",
        "fare_leg_rules.txt": RULES + "one",
    }
    tariff, _ = price(tmp_path, changes, fare_map={"one": FareUse("STANDARD", "SENIOR")})
    assert of_pair(tariff.fares, "LOS", "ABV") == {
        ("STANDARD", "ADULT"): 1000, ("STANDARD", "SENIOR"): 400,
    }  # fmt: skip


def test_of_several_media_and_hours_the_highest_is_taken_never_the_lowest(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            "fare_media.txt": "fare_media_id,fare_media_type\ncash,0\ncard,2\n",
            "timeframes.txt": "timeframe_group_id,service_id\npeak,d\n",
            "fare_products.txt": PRODUCTS
            + "low,,card,4,NGN\nlow,,cash,5,NGN\npeak,,,8,NGN\nnight,,,1,NGN\n",
            "fare_leg_rules.txt": (
                "fare_product_id,from_timeframe_group_id,rule_priority\n"
                "low,,\npeak,peak,3\nnight,night,9\n"
            ),
        },
    )
    # A ride may be in the peak hour or not: nobody is sold a peak hour for less than it costs.
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 800}
    assert report.count(Code.FARE_BY_MEDIUM) == 1
    assert report.count(Code.FARE_BY_HOUR) == 2


def test_products_win_over_attributes_and_changes_between_trips_are_told(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            "fare_attributes.txt": "fare_id,price,currency_type\nold,99,KES\n",
            "fare_products.txt": PRODUCTS
            + "new,,,10,NGN\nbad,,,-1,NGN\nworse,,,1.234,NGN\n,,,1,NGN\n",
            "fare_leg_rules.txt": RULES + "new\nnone\n",
            "fare_transfer_rules.txt": "from_leg_group_id,fare_transfer_type\na,0\nb,1\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 1000}
    assert report.findings[Code.OLD_FARES_IGNORED].examples == ["old"]
    assert report.count(Code.BAD_FARE) == 3
    assert report.count(Code.FARE_RULE_WITHOUT_FARE) == 1
    assert report.count(Code.FARES_BETWEEN_TRIPS) == 2
    assert report.count(Code.FILE_UNUSED) == 0


def test_products_without_rules_leave_the_old_fares_in_use(tmp_path: Path):
    tariff, report = price(
        tmp_path,
        {
            "fare_attributes.txt": "fare_id,price,currency_type\nold,99,NGN\n",
            "fare_products.txt": PRODUCTS + "new,,,10,NGN\n",
        },
    )
    assert of_pair(tariff.fares, "LOS", "ABV") == {("STANDARD", "ADULT"): 9900}
    assert report.count(Code.OLD_FARES_IGNORED) == 0


NAMES = st.sampled_from(["", "x", "y", "z"])
SETS = st.frozensets(st.sampled_from(["x", "y", "z", "w"]), max_size=2)
LEG_RULES = st.lists(
    st.builds(
        LegRule, st.sampled_from(["p", "q", "r"]), NAMES, NAMES, NAMES, st.integers(0, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip
PRICES = tuple(ProductPrice(name, Money(at, "NGN"), "") for at, name in enumerate("pqr"))


def holds(
    rules: list[LegRule],
    in_time: set[LegRule],
    *,
    has_priority: bool,
    ride: list[frozenset[str]],
) -> list[LegRule]:
    """The rules that hold by the words of the reference, every rule asked one by one."""
    found: list[LegRule] = []
    for rule in in_time:
        fits = True
        for place, has in enumerate(ride):
            said = (rule.network_id, rule.from_area, rule.to_area)[place]
            named = {(one.network_id, one.from_area, one.to_area)[place] for one in rules}
            if said:
                fits = fits and said in has
            elif not has_priority:
                fits = fits and (not has or any(value not in named for value in has))
        if fits:
            found.append(rule)
    if has_priority:
        return [rule for rule in found if rule.priority == max(one.priority for one in found)]
    exact = [rule for rule in found if "" not in {rule.network_id, rule.from_area, rule.to_area}]
    return exact or found


@settings(deadline=None)
@given(LEG_RULES, st.booleans(), st.sampled_from(["", "x", "y", "w"]), SETS, SETS)
def test_the_index_finds_what_a_filter_by_the_reference_finds(
    rules: list[LegRule],
    has_priority: bool,  # noqa: FBT001 (hypothesis passes it)
    network: str,
    origin: frozenset[str],
    destination: frozenset[str],
):
    stops = [Stop(name, name, None, None, "UTC", "", is_boarding_point=True) for name in "AB"]
    fares = LegFares(
        PRICES, tuple(rules), has_priority, {"A": origin, "B": destination}, {"R": network}
    )
    found = set(AreaFares(fares, Steps()).of_calls(Route("R", "", "R", "BUS"), stops)(0, 1))
    ride = [frozenset({network} - {""}), origin, destination]
    timed = [rule for rule in rules if rule.is_timed]
    wanted = [
        rule
        for count in range(len(timed) + 1)
        for hours in combinations(timed, count)
        for rule in holds(
            rules, {*rules} - {*timed} | {*hours}, has_priority=has_priority, ride=ride
        )
    ]
    by_product = {one.product_id: one for one in PRICES}
    assert {one.fare_id for one in found} == {rule.product_id for rule in wanted}
    assert found == {OwnFare(rule.product_id, by_product[rule.product_id].price) for rule in wanted}


def test_a_ride_with_many_areas_costs_no_more_than_the_rules_there_are():
    many = frozenset(f"x{n}" for n in range(1500))
    rules = tuple(LegRule("p", "", name, name) for name in sorted(many))
    stops = [Stop(name, name, None, None, "UTC", "", is_boarding_point=True) for name in "AB"]
    fares = LegFares(PRICES, rules, True, dict.fromkeys("AB", many), {})
    find = AreaFares(fares, Steps(10_000)).of_calls(Route("R", "", "R", "BUS"), stops)
    assert [one.fare_id for one in find(0, 1)] == ["p"]
    with pytest.raises(BadFares, match="more than 10 steps"):
        AreaFares(fares, Steps(10)).of_calls(Route("R", "", "R", "BUS"), stops)(0, 1)


def test_without_fares_of_its_own_a_feed_is_sold_as_asked(tmp_path: Path):
    tariff, report = price(tmp_path, {"fare_products.txt": PRODUCTS, "fare_leg_rules.txt": RULES})
    assert (tariff.per_km, tariff.fares) == (PER_KM.per_km, {})
    assert FILES.keys() >= {f"{name}.txt" for name in report.rows} - {
        "fare_products.txt", "fare_leg_rules.txt",
    }  # fmt: skip
