import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.platform.money import Money
from kiti.timetable.schedules.calendar import DAILY, OnHoliday
from kiti.timetable.sheets.cells import Value, column_name
from kiti.timetable.sheets.words import (
    CellCall,
    Unclear,
    to_call,
    to_clock,
    to_country,
    to_date,
    to_dates,
    to_degrees,
    to_minor,
    to_mode,
    to_on_holiday,
    to_weekdays,
)

WORKDAYS = frozenset(range(5))
DAY = date(2026, 12, 25)


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("07:30", 27_000), ("7:30", 27_000), (" 7h30 ", 27_000), ("07:30:15", 27_015),
        ("7:30 PM", 70_200), ("12:05 am", 300), ("12:05 p.m.", 43_500), ("25:10", 90_600),
        (time(7, 30), 27_000), (timedelta(hours=25, minutes=10), 90_600), (0.3125, 27_000),
    ],
)  # fmt: skip
def test_times(cell: Value, seconds: int):
    assert to_clock(cell) == seconds


@pytest.mark.parametrize(
    "cell", ["", "7.30", "0730", "24:60", "13:00 pm", "soon", 7.3, 730.0, 0.31, True, DAY,
             datetime.combine(DAY, time(7, 30)), "999:00", timedelta(days=-1)],
)  # fmt: skip
def test_what_is_no_time(cell: Value):
    with pytest.raises(Unclear, match=r"07:30|hours"):
        to_clock(cell)


def test_calls():
    assert to_call("06:40/06:50") == CellCall(24_000, 24_600, "both")
    assert to_call("23:55/00:10") == CellCall(86_100, 87_000, "both")
    assert to_call("06:50 on") == CellCall(24_600, 24_600, "on")
    assert to_call("08:20/08:25 OFF") == CellCall(30_000, 30_300, "off")
    assert [to_call(cell) for cell in ("", "-", "|", " – ", "x")] == [None] * 5
    for cell in ("06:50 maybe", "06:40/", "/06:40", "06:40/06:50/07:00", True):
        with pytest.raises(Unclear):
            to_call(cell)


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("daily", DAILY), ("Every day", DAILY), ("tous les jours", DAILY), ("Mon-Fri", WORKDAYS),
        ("Monday to Friday", WORKDAYS), ("lun-ven", WORKDAYS), ("weekdays", WORKDAYS),
        ("Mon – Fri", WORKDAYS), ("Mon, Wed;Fri", {0, 2, 4}), ("Sat & Sun", {5, 6}),
        ("sat-mon", {5, 6, 0}), ("daily except Sun", DAILY - {6}),
        ("quotidien sauf dim", DAILY - {6}), ("Tues Thurs", {1, 3}),
        ("weekend", {5, 6}), ("mar", {1}), ("lundi et jeudi", {0, 3}),
    ],
)  # fmt: skip
def test_weekdays(text: str, weekdays: set[int]):
    assert to_weekdays(text) == weekdays


@pytest.mark.parametrize("text", ["", "Mo", "Mon-", "some", "daily except daily", "1-5", "march"])
def test_what_are_no_weekdays(text: str):
    with pytest.raises(Unclear, match="write daily"):
        to_weekdays(text)


def test_dates():
    assert to_date("2026-12-25") == to_date("25 Dec 2026") == to_date("25 december 2026") == DAY
    assert to_date(datetime.combine(DAY, time())) == to_date(DAY) == DAY
    assert to_dates("2026-12-25, 2026-12-27..2026-12-28;") == {
        DAY, DAY + timedelta(days=2), DAY + timedelta(days=3),
    }  # fmt: skip
    assert to_dates("") == frozenset()
    for cell in ("2026-02-30", "31/02/2026", "Christmas", "2026", 46381.0):
        with pytest.raises(Unclear, match="write it as 2026-12-25 or 25 Dec 2026"):
            to_date(cell)
    for text in ("2026-12-28..2026-12-25", "2020-01-01..2026-01-01"):
        with pytest.raises(Unclear, match="earlier"):
            to_dates(text)


@pytest.mark.parametrize(
    ("cell", "instead"),
    [
        ("25/12/2026", "2026-12-25"), ("12/25/2026", "2026-12-25"), ("25.12.2026", "2026-12-25"),
        ("03/04/2026", "2026-04-03 or 2026-03-04"), ("4/4/2026", "2026-04-04"),
    ],
)  # fmt: skip
def test_a_date_with_slashes_is_refused_with_what_it_may_mean(cell: str, instead: str):
    with pytest.raises(Unclear, match=f"'{cell}' is no date; write {instead}$"):
        to_dates(cell)


@pytest.mark.parametrize("cell", ["10:30-10:50", "10:30 – 10:50", "10:30 to 10:50 on"])
def test_times_with_a_dash_are_refused_with_the_slash(cell: str):
    with pytest.raises(Unclear, match=r"write 10:30/10:50 for arrival and departure"):
        to_call(cell)


@pytest.mark.parametrize(
    ("cell", "currency", "why"),
    [
        ("UGX 2800", "KES", r"is in UGX, the fares are in KES \(--currency\)"),
        ("2800 UGX", "KES", r"is in UGX, the fares are in KES"),
        ("KSh 1,500", "KES", r"has 'KSH' beside the number; write the number alone, in KES"),
        ("700.555", "KES", r"too many decimals for this currency; .* write 700555"),
        ("700.550", "KES", r"could be two amounts"),
        ("1.234", "UGX", r"too many decimals"),
        ("12.5", "UGX", r"too many decimals: UGX has no decimals"),
    ],
)
def test_what_is_wrong_with_an_amount_is_said(cell: str, currency: str, why: str):
    with pytest.raises(Unclear, match=why):
        to_minor(cell, currency)


@pytest.mark.parametrize(
    ("cell", "currency", "minor"),
    [
        ("1500", "NGN", 150_000), ("1,500.00", "NGN", 150_000), ("1.500,50", "NGN", 150_050),
        ("1,500", "NGN", 150_000), ("1 500", "NGN", 150_000), ("1 500,5", "NGN", 150_050),
        ("1,50", "NGN", 150), ("NGN 1,500", "NGN", 150_000), ("1500 ngn", "NGN", 150_000),
        ("1,500,000", "NGN", 150_000_000), ("1.500.000", "UGX", 1_500_000),
        ("1'500", "NGN", 150_000),
        ("1500", "UGX", 1_500), ("12.345,678", "TND", 12_345_678), ("12,5", "TND", 12_500),
        (1500.0, "NGN", 150_000), (1234.56, "NGN", 123_456), (0.1 + 0.2, "NGN", 30),
        (0.0, "NGN", 0), (7.125, "TND", 7_125),
    ],
)  # fmt: skip
def test_amounts(cell: Value, currency: str, minor: int):
    assert to_minor(cell, currency) == minor


@pytest.mark.parametrize(
    ("cell", "currency"),
    [
        ("", "NGN"), ("1.500", "NGN"), ("1,500", "TND"), ("1.234", "UGX"), ("12.5", "UGX"),
        ("1,50,000", "NGN"), ("1,500.00.00", "NGN"), ("-5", "NGN"), ("1500 KES", "NGN"),
        ("5k", "NGN"), ("99999999999999", "NGN"), (15.555, "NGN"), (-1.0, "NGN"), (1e300, "NGN"),
        (float("nan"), "NGN"), (float("inf"), "NGN"), (True, "NGN"), (DAY, "NGN"), ("١٢", "NGN"),
    ],
)  # fmt: skip
def test_what_is_no_amount(cell: Value, currency: str):
    with pytest.raises(Unclear):
        to_minor(cell, currency)


@given(st.integers(0, 10**12), st.sampled_from(["NGN", "UGX"]))
def test_amounts_written_out_come_back_exactly(minor: int, currency: str):
    major = Money(minor, currency).to_major()
    for text in (f"{major:f}", f"{major:,f}", f"{currency} {major:,f}"):
        assert to_minor(text, currency) == minor
        swapped = text.translate(str.maketrans(",.", ".,"))
        if not re.search(r"\D\d{3}$", swapped):  # 1.500 may be one and a half
            assert to_minor(swapped, currency) == minor


def test_other_words():
    assert to_country("ng") == to_country("Nigeria") == to_country("Nigéria") == "NG"
    assert to_country("Côte d’Ivoire") == "CI"
    assert to_on_holiday("") is OnHoliday.AS_USUAL
    assert to_on_holiday("No") is OnHoliday.NOT
    assert to_on_holiday("as Sunday") is OnHoliday.AS_SUNDAY
    assert [to_mode(word) for word in ("", "Bus", "ferry", "Train")] == [
        "BUS",
        "BUS",
        "FERRY",
        "RAIL",
    ]
    assert to_degrees("6,5244", highest=90) == 6.5244
    assert to_degrees(-3.5, highest=90) == -3.5
    assert to_degrees("", highest=90) is None
    assert [column_name(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
    readers: list[tuple[Callable[[str], object], str]] = [
        (to_country, "Atlantis"), (to_country, ""), (to_country, "EU"), (to_country, "ZZ"),
        (to_on_holiday, "maybe"), (to_mode, "plane"),
        (lambda text: to_degrees(text, highest=90), "91"),
        (lambda text: to_degrees(text, highest=90), "6°31'N"),
    ]  # fmt: skip
    for read, text in readers:
        with pytest.raises(Unclear):
            read(text)
