from decimal import Decimal
from fractions import Fraction
from math import atan2, cos, dist, floor, radians, sin
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.fares.model import (
    FareKey,
    FareTable,
    FareTableInvalid,
    NewFareTable,
    PassengerType,
    check_table,
    share,
)
from kiti.network.distance import EARTH_RADIUS_M, distance_km
from kiti.network.model_search import SearchStop
from kiti.platform.money import Money

A, B, C = (UUID(int=n) for n in (1, 2, 3))
ADULT, CHILD, INFANT = PassengerType.ADULT, PassengerType.CHILD, PassengerType.INFANT


def table(
    fares: dict[tuple[str, str], int] | None = None,
    *,
    per_km: int | None = None,
    minimum: int | None = None,
    classes: dict[str, int] | None = None,
    types: dict[str, int] | None = None,
) -> FareTable:
    """Fares from A to B by class and passenger type."""
    return FareTable(
        fare_table_id=UUID(int=9),
        currency="NGN",
        fares={FareKey(A, B, name, kind): amount for (name, kind), amount in (fares or {}).items()},
        per_km_minor=per_km,
        minimum_minor=minimum,
        class_shares=classes or {},
        type_shares=types or {},
    )


def price(of: FareTable, seat_class: str, kind: str, *, km: float | None = None) -> int | None:
    fare = of.fare(A, B, seat_class, kind, km=km)
    if fare is None:
        return None
    assert fare.currency == "NGN"
    return fare.amount_minor


def test_the_fare_itself_wins_over_every_share():
    full = table(
        {("VIP", CHILD): 1, ("VIP", ADULT): 900, ("STANDARD", ADULT): 500},
        per_km=10, minimum=10, classes={"VIP": 1500}, types={CHILD: 500},
    )  # fmt: skip
    assert price(full, "VIP", CHILD, km=5) == 1


def test_then_the_adult_fare_of_the_class_by_the_types_share():
    full = table(
        {("VIP", ADULT): 901, ("STANDARD", ADULT): 500},
        per_km=10, minimum=10, classes={"VIP": 1500}, types={CHILD: 500},
    )  # fmt: skip
    assert price(full, "VIP", CHILD, km=5) == 451  # 450.5, half up


def test_then_the_adult_standard_fare_by_both_shares():
    full = table(
        {("STANDARD", ADULT): 501},
        per_km=10, minimum=10, classes={"VIP": 1500}, types={CHILD: 500},
    )  # fmt: skip
    assert price(full, "VIP", CHILD, km=5) == 376  # 375.75
    assert price(full, "VIP", ADULT, km=5) == 752  # 751.5
    assert price(full, "STANDARD", CHILD, km=5) == 251  # 250.5


def test_then_the_kilometres_at_least_the_minimum():
    by_km = table(per_km=333, minimum=1000, classes={"VIP": 1500}, types={CHILD: 500})
    assert price(by_km, "STANDARD", ADULT, km=10.0) == 3330
    assert price(by_km, "STANDARD", ADULT, km=1.0) == 1000
    assert price(by_km, "VIP", CHILD, km=1.0) == 750
    assert price(by_km, "STANDARD", ADULT, km=0.0) == 1000


def test_a_half_unit_by_the_kilometre_is_rounded_up():
    assert price(table(per_km=1, minimum=0), "STANDARD", ADULT, km=2.5) == 3
    assert price(table(per_km=1, minimum=0), "STANDARD", ADULT, km=3.5) == 4
    assert price(table(per_km=1, minimum=0), "STANDARD", ADULT, km=2.4999999999999996) == 2


def test_without_any_of_them_it_is_not_for_sale():
    assert price(table(), "STANDARD", ADULT, km=5) is None
    assert price(table(per_km=5, minimum=5), "STANDARD", ADULT, km=None) is None
    assert price(table({("VIP", ADULT): 5}), "STANDARD", ADULT) is None
    assert price(table({("STANDARD", CHILD): 5}), "STANDARD", ADULT) is None


def test_the_way_back_has_a_fare_of_its_own():
    one_way = table({("STANDARD", ADULT): 5})
    assert one_way.fare(B, A, "STANDARD", ADULT, km=None) is None
    assert one_way.fare(A, C, "STANDARD", ADULT, km=None) is None


def test_a_class_or_type_without_a_share_pays_in_full():
    full = table({("STANDARD", ADULT): 500}, types={CHILD: 500})
    assert price(full, "VIP", PassengerType.STUDENT) == 500


def test_a_share_of_nothing_is_free_not_missing():
    full = table({("STANDARD", ADULT): 500}, types={INFANT: 0})
    assert price(full, "STANDARD", INFANT) == 0


AMOUNTS = st.integers(0, 10**12)
SHARES = st.integers(0, 100_000)


@given(AMOUNTS, st.lists(SHARES, max_size=3))
def test_shares_round_half_up_once(amount: int, shares: list[int]):
    exact = Fraction(amount)
    for part in shares:
        exact *= Fraction(part, 1000)
    assert share(amount, *shares) == floor(exact + Fraction(1, 2))


@given(AMOUNTS)
def test_a_whole_share_changes_nothing(amount: int):
    assert share(amount, 1000, 1000) == amount == share(amount)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["STANDARD", "VIP"]), st.sampled_from(list(PassengerType))),
        AMOUNTS,
    ),
    st.none() | st.tuples(st.integers(0, 10_000), st.integers(0, 10**6)),
    st.dictionaries(st.sampled_from(["STANDARD", "VIP"]), SHARES),
    st.dictionaries(st.sampled_from(list(PassengerType)), SHARES),
    st.sampled_from(["STANDARD", "VIP", "OTHER"]),
    st.sampled_from(list(PassengerType)),
    st.none() | st.floats(0, 20_000),
)
def test_the_rules_hold_for_any_table(  # noqa: PLR0917  # hypothesis fills them in
    fares: dict[tuple[str, str], int],
    by_km: tuple[int, int] | None,
    classes: dict[str, int],
    types: dict[str, int],
    seat_class: str,
    kind: str,
    km: float | None,
):
    per_km, minimum = by_km or (None, None)
    got = price(
        table(fares, per_km=per_km, minimum=minimum, classes=classes, types=types),
        seat_class,
        kind,
        km=km,
    )
    of_type = Fraction(types.get(kind, 1000), 1000)
    of_both = of_type * Fraction(classes.get(seat_class, 1000), 1000)
    if (seat_class, kind) in fares:
        exact = Fraction(fares[seat_class, kind])
    elif (seat_class, "ADULT") in fares:
        exact = fares[seat_class, "ADULT"] * of_type
    elif ("STANDARD", "ADULT") in fares:
        exact = fares["STANDARD", "ADULT"] * of_both
    elif by_km is not None and km is not None:
        rounded = floor(Fraction(Decimal(km)) * by_km[0] + Fraction(1, 2))
        exact = max(rounded, by_km[1]) * of_both
    else:
        assert got is None
        return
    assert got == floor(exact + Fraction(1, 2))


def place(latitude: float | None, longitude: float | None) -> SearchStop:
    return SearchStop(A, "Stop", "Africa/Lagos", latitude, longitude)


@pytest.mark.parametrize(
    ("board", "leave", "km"),
    [
        ((4.0, 7.0), (5.0, 7.0), 111.2),  # a degree of a meridian
        ((0.0, 179.0), (0.0, -179.0), 222.4),  # over the date line
        ((0.0, 0.0), (0.0, 180.0), 20015.1),  # the antipodes
        ((90.0, 12.0), (-90.0, 99.0), 20015.1),
        ((5.5, -0.2), (5.5, -0.2), 0.0),
    ],
)
def test_distances_on_the_earth(board: tuple[float, float], leave: tuple[float, float], km: float):
    got = distance_km(place(*board), place(*leave))
    assert got == pytest.approx(km, abs=0.05)
    assert distance_km(place(*leave), place(*board)) == pytest.approx(got)


DEGREES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(DEGREES, DEGREES)
def test_a_distance_is_the_angle_between_two_arrows(
    board: tuple[float, float], leave: tuple[float, float]
):
    def arrow(at: tuple[float, float]) -> tuple[float, float, float]:
        lat, lon = radians(at[0]), radians(at[1])
        return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)

    one, other = arrow(board), arrow(leave)
    apart = dist(one, other)
    opposite = dist(one, tuple(-side for side in other))
    expected = 2 * EARTH_RADIUS_M / 1000 * atan2(apart, opposite)
    got = distance_km(place(*board), place(*leave))
    assert got == pytest.approx(expected, rel=1e-6, abs=0.001)


def test_a_stop_without_a_place_is_no_distance_away():
    here = place(5.5, -0.2)
    for nowhere in (place(None, None), place(5.5, None), place(None, 1.0)):
        assert distance_km(here, nowhere) is None
        assert distance_km(nowhere, here) is None


TOO_MANY = {FareKey(A, UUID(int=n), "STANDARD"): 5 for n in range(50_001)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NewFareTable("x", "naira"), "'naira' is no currency"),
        (NewFareTable("x", "NGN", fares={FareKey(A, B, "STANDARD"): -1}), "an amount is below 0"),
        (NewFareTable("x", "NGN", fares={FareKey(A, B, "STANDARD"): 10**12 + 1}), "an amount is"),
        (NewFareTable("x", "NGN", per_km_minor=5), "go together"),
        (NewFareTable("x", "NGN", minimum_minor=5), "go together"),
        (NewFareTable("x", "NGN", per_km_minor=-5, minimum_minor=5), "an amount is below 0"),
        (NewFareTable("x", "NGN", class_shares={"VIP": -1}), "a share is below 0"),
        (NewFareTable("x", "NGN", type_shares={CHILD: 100_001}), "a share is below 0 or over"),
        (NewFareTable("x", "NGN", type_shares={"DOG": 5}), "no passenger type: DOG"),
        (NewFareTable("x", "NGN", fares={FareKey(A, B, "S", "CAT"): 5}), "no passenger type: CAT"),
        (
            NewFareTable(
                "x", "NGN", fares={FareKey(A, UUID(int=n), "S"): 5 for n in range(50_001)}
            ),
            "50,001 fares; 50,000 at most",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(wrong: NewFareTable, message: str):
    with pytest.raises(FareTableInvalid, match=message):
        check_table(wrong)


def test_the_smallest_and_largest_table_pass():
    check_table(NewFareTable("x", "NGN"))
    check_table(
        NewFareTable("x", "NGN", {FareKey(A, B, "S"): 10**12}, 0, 0, {"S": 0}, {ADULT: 100_000})
    )


def test_money_is_exact_at_the_top():
    top = table({("STANDARD", ADULT): 10**12}, classes={"VIP": 100_000}, types={CHILD: 100_000})
    assert top.fare(A, B, "VIP", CHILD, km=None) == Money(10**16, "NGN")
