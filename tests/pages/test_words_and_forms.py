"""Amounts, dates and durations as people read them; what a form sends, and where it may lead."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.pages.forms import form_of, own_path, read_count, with_country
from kiti.pages.words import Words
from kiti.platform.ids import find_id, new_id
from kiti.platform.money import Money

WORDS = Words.english()


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(185_050, "NGN"), "NGN\xa01,850.50"),
        (Money(185_050, "UGX"), "UGX\xa0185,050"),
        (Money(5, "KWD"), "KWD\xa00.005"),
        (Money(0, "XOF"), "XOF\xa00"),
        (Money(10**12, "TZS"), "TZS\xa010,000,000,000.00"),
    ],
)
def test_an_amount_has_its_currencys_decimals(money: Money, text: str):
    assert WORDS.money(money) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from(["NGN", "UGX", "KWD", "XOF", "TZS"]))
def test_no_digit_of_an_amount_is_lost(amount_minor: int, currency: str):
    text = WORDS.money(Money(amount_minor, currency))
    digits = "".join(char for char in text if char.isdigit())
    assert int(digits) == abs(amount_minor)
    assert ("-" in text) == (amount_minor < 0)


def test_days_times_and_durations():
    assert WORDS.day(date(2030, 6, 3)) == "Mon 3 Jun 2030"
    assert WORDS.time(datetime(2030, 6, 3, 6, 5, tzinfo=UTC)) == "06:05"
    assert [WORDS.duration(n) for n in (0, 59, 60, 1501)] == [
        "0 min",
        "59 min",
        "1 h 0 min",
        "25 h 1 min",
    ]


def test_classes_and_sentences():
    assert [WORDS.seat_class(name) for name in ("STANDARD", "VIP", "FIRST_CLASS")] == [
        "Standard",
        "VIP",
        "First class",
    ]
    assert WORDS.sentence("not a phone number") == "Not a phone number."
    assert WORDS.sentence("Why?") == "Why?"
    assert WORDS.sentence("") == "."


@pytest.mark.parametrize("path", ["/", "/bookings", "/trips?from=a&to=b", "/a//b"])
def test_own_paths_are_kept(path: str):
    assert own_path(path, default="/x") == path


@pytest.mark.parametrize("path", ["", "//a", "/\\a", "http://a", "a", "/a b", "/a\r\nb", "/\x7f"])
def test_other_paths_are_not(path: str):
    assert own_path(path, default="/x") == "/x"


@given(st.text())
def test_no_path_leads_away(path: str):
    kept = own_path(path, default="/")
    assert kept.startswith("/")
    assert kept[1:2] not in {"/", "\\"}


@pytest.mark.parametrize(
    ("typed", "zone", "meant"),
    [
        ("0803 123 4567", "Africa/Lagos", "+2348031234567"),
        ("+254 712 345678", "Africa/Lagos", "+254 712 345678"),
        ("0712345678", "Africa/Nairobi", "+254712345678"),
        ("12", "Africa/Lagos", "12"),
        ("0803 123 4567", "UTC", "0803 123 4567"),
        ("zero eight", "Africa/Lagos", "zero eight"),
        ("٠٨٠٣١٢٣٤٥٦٧", "Africa/Lagos", "٠٨٠٣١٢٣٤٥٦٧"),
    ],
)
def test_a_phone_is_read_as_dialled_at_home(typed: str, zone: str, meant: str):
    assert with_country(typed, timezone=zone) == meant


def test_a_form_is_cut_and_trimmed():
    form = form_of(b"a=+x+&a=y&b=" + b"z" * 900 + b"&c=%ff&d")
    assert form.text("a") == "x"
    assert form.texts("a") == (" x ", "y")
    assert len(form.text("b")) == 500
    assert form.text("c") == "\N{REPLACEMENT CHARACTER}"
    assert form.maybe("d") is None
    assert form.maybe("none") is None


@pytest.mark.parametrize(
    ("text", "count"), [("", 1), ("3", 3), ("0", 1), ("99", 10), ("-1", 1), ("٣", 1), ("1e3", 1)]
)
def test_a_count_stays_in_its_bounds(text: str, count: int):
    assert read_count(text, least=1, most=10, default=1) == count


def test_an_id_is_one_only_as_we_write_it():
    known = new_id()
    assert find_id(str(known)) == known
    assert find_id(str(known).upper()) == known
    assert find_id(known.hex) is None
    assert find_id(f"{{{known}}}") is None
    assert find_id("") is None
