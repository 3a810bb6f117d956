import re
from importlib.resources import files
from pathlib import Path

import pytest

from kiti.network.layout import Fixture, Layout, LayoutError, normalise_label, parse_layout

DEMO = files("kiti.timetable").joinpath("demo/layouts")
DOCS = Path(__file__).parents[2] / "docs" / "layouts.md"


def demo(name: str) -> Layout:
    return parse_layout(DEMO.joinpath(f"{name}.layout").read_text(encoding="utf-8"))


def words(layout: Layout, label: str) -> set[str]:
    return set(layout.seats[index(layout, label)].words)


def index(layout: Layout, label: str) -> int:
    found = layout.seat_index(label)
    assert found is not None
    return found


def neighbours(layout: Layout, label: str) -> list[str]:
    return [layout.seats[other].label for other in layout.seats[index(layout, label)].neighbours]


def fixtures(layout: Layout) -> list[Fixture]:
    return [cell for deck in layout.decks for cell in deck.cells if isinstance(cell, Fixture)]


def test_coach_of_51_seats():
    coach = demo("coach-51")
    assert (len(coach.seats), len(coach.decks), coach.drive) == (51, 1, "left")
    assert coach.classes == ("STANDARD",)
    assert words(coach, "7A") == {"window"}
    assert words(coach, "7B") == {"aisle"}
    assert words(coach, "1D") == {"window", "step-free"}
    assert words(coach, "13C") == set()
    assert neighbours(coach, "7B") == ["7A"]
    assert neighbours(coach, "13C") == ["13B", "13D"]
    assert coach.seat_index("6C") is None
    assert [seat.index for seat in coach.seats] == list(range(51))
    assert [cell.kind for cell in fixtures(coach)] == ["DRIVER", "DOOR", "DOOR"]


def test_executive_coach_has_vip_rows():
    vip = demo("vip-34")
    assert (len(vip.seats), vip.drive, vip.classes) == (34, "right", ("VIP", "STANDARD"))
    assert [seat.label for seat in vip.seats if seat.seat_class == "VIP"] == (
        ["1A", "1B", "1C", "2A", "2B", "2C", "3A", "3B", "3C"]
    )
    assert words(vip, "5C") == {"window", "aisle"}
    assert neighbours(vip, "5C") == []
    assert Fixture("TOILET", 7, 0, 2, 1) in fixtures(vip)


def test_minibus_of_14_seats():
    minibus = demo("minibus-14")
    assert len(minibus.seats) == 14
    assert neighbours(minibus, "1") == ["2"]
    assert words(minibus, "6") == {"aisle"}
    assert words(minibus, "7") == {"window", "aisle"}
    assert neighbours(minibus, "12") == ["11", "13"]


def test_sleeper_has_berths_on_two_decks():
    sleeper = demo("sleeper-30")
    assert (len(sleeper.seats), len(sleeper.decks)) == (30, 2)
    assert {(seat.w, seat.h) for seat in sleeper.seats} == {(1, 2)}
    assert words(sleeper, "L1") == {"window", "aisle", "berth", "lower"}
    assert words(sleeper, "U3") == {"window", "berth", "upper"}
    assert neighbours(sleeper, "L3") == ["L2"]
    assert [seat.deck for seat in sleeper.seats] == [0] * 15 + [1] * 15
    assert sleeper.seats[15].label == "U1"


def test_double_decker_has_stairs_tables_and_a_seat_never_sold():
    bus = demo("double-decker-68")
    assert len(bus.seats) == 68
    assert set(bus.classes) == {"STANDARD", "VIP", "PANORAMA"}
    assert [bus.seats[seat].label for seat in bus.blocked] == ["27A"]
    assert words(bus, "21A") == {"window", "upper"}
    assert words(bus, "26B") == {"aisle", "upper"}
    assert [deck.cols for deck in bus.decks] == [5, 5]
    lower = [cell for cell in bus.decks[0].cells if isinstance(cell, Fixture)]
    assert Fixture("TOILET", 5, 0, 2, 2) in lower
    assert Fixture("STAIRS", 5, 3, 1, 1) in lower
    assert sum(cell.kind == "TABLE" for cell in lower) == 4


def test_the_example_of_the_docs_is_a_layout():
    [example] = re.findall(r"```\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    layout = parse_layout(example)
    assert [seat.label for seat in layout.seats][-2:] == ["D9", "U1"]
    assert [seat.index for seat in layout.seats if not seat.is_sold] == [9]
    assert words(layout, "U1") == {"window", "berth", "upper"}


def test_suffixes_in_any_order_and_a_seats_own_class_before_its_rows():
    layout = parse_layout(
        "name: x\nclass v: VIP\nclass b: Business\n[Main]\nA:v!+ B+!:v C D:v :b\nE!+:b\n"
    )
    assert [(s.label, s.seat_class, s.is_sold, s.is_step_free) for s in layout.seats] == [
        ("A", "VIP", False, True),
        ("B", "VIP", False, True),
        ("C", "Business", True, False),
        ("D", "VIP", True, False),
        ("E", "Business", False, True),
    ]


def test_a_row_without_its_class_is_standard_again():
    layout = parse_layout("class v: VIP\n[Main]\n1: A :v\n2: A\n")
    assert [seat.seat_class for seat in layout.seats] == ["VIP", "STANDARD"]


def test_a_layout_without_name_and_deck_is_named_by_its_seats():
    layout = parse_layout("1-2: A B . C D")
    assert (layout.name, [deck.name for deck in layout.decks]) == ("8 seats", ["Main"])


def test_line_ends_comments_full_width_and_a_byte_order_mark_do_not_matter():
    plain = parse_layout("name: Bus\n[Main]\n1: A B . C\n")
    other = "\ufeffname: Bus \r\n\r\n-- a comment\r\n[Main]\r\n\t１: ａ Ｂ ． C  -- the front\r\n"
    assert parse_layout(other) == plain


def test_a_shorter_row_ends_in_nothing():
    layout = parse_layout("[Main]\n1: A B\n2: A B . C D\n")
    assert layout.decks[0].cols == 5
    assert words(layout, "1B") == {"aisle"}
    assert words(layout, "2D") == {"window"}


def test_a_door_drawn_outside_leaves_the_window_where_it_is():
    layout = parse_layout("[Main]\n1: A B . C D =\n2: A B . C D\n")
    assert "window" in words(layout, "1D")
    assert "window" in words(layout, "2D")


def test_to_wire():
    layout = parse_layout("name: x\nclass v: VIP\n[Upper]\n@ .\n1A:v+ 2A\n^ 3A\n")
    assert layout.to_wire() == {
        "decks": [
            {
                "name": "Upper",
                "rows": 3,
                "cols": 2,
                "cells": [
                    {"kind": "DRIVER", "label": None, "row": 0, "col": 0, "w": 1, "h": 1,
                     "class": None, "where": []},
                    {"kind": "SEAT", "label": "1A", "row": 1, "col": 0, "w": 1, "h": 2,
                     "class": "VIP", "where": ["window", "berth", "upper", "step-free"]},
                    {"kind": "SEAT", "label": "2A", "row": 1, "col": 1, "w": 1, "h": 1,
                     "class": "STANDARD", "where": ["window", "upper"]},
                    {"kind": "SEAT", "label": "3A", "row": 2, "col": 1, "w": 1, "h": 1,
                     "class": "STANDARD", "where": ["window", "upper"]},
                ],
            }
        ]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message", "text"),
    [
        (3, "unknown token '?'", "[Main]\n1A\n? 1B"),
        (2, "unknown token '1A:'", "[Main]\n1A:"),
        (2, "unknown token ':b'", "class b: BED\n:b 1A"),
        (2, "no header line says what class 'b' is", "[Main]\n1A:b"),
        (2, "no header line says what class 'b' is", "[Main]\n1A :b"),
        (2, "a suffix stands twice in '1A!!'", "[Main]\n1A!!"),
        (4, "a suffix stands twice", "class a: A\nclass b: B\n[Main]\n1A:a:b"),
        (3, "seat 1A stands twice, first on line 2", "[Main]\n1A\n1A"),
        (4, "seat 1A stands twice, first on line 2", "[One]\n1A\n[Two]\n1a"),
        (3, "seat 111 stands twice, first on line 2", "[Main]\n1: 11\n11: 1"),
        (2, "seat 123456789 is longer than 8", "[Main]\n123456789"),
        (2, "seats says 3, but 2 seats are drawn", "\nseats: 3\n[Main]\n1A 1B"),
        (1, "seats is a whole number from 1 to 2000", "seats: many\n1A"),
        (1, "seats is a whole number from 1 to 2000", "seats: 0\n1A"),
        (1, "seats is a whole number from 1 to 2000", "seats: 2001\n1A"),
        (1, "drive is left or right", "drive: middle\n1A"),
        (2, "'name' is given twice", "name: a\nNAME: b\n1A"),
        (2, "'class v' is given twice", "class v: VIP\nclass V: VIP\n1A"),
        (1, "a class is written like `class v: VIP`", "class: VIP\n1A"),
        (1, "a class is written like `class v: VIP`", "class very_long: VIP\n1A"),
        (1, "a name has 1 to 100 characters", "class v:\n1A"),
        (2, "differs from 'VIP' in case", "class v: VIP\nclass w: Vip\n1A"),
        (1, "differs from 'STANDARD' in case", "class s: Standard\n1A"),
        (1, "unknown header 'colour'", "colour: red\n1A"),
        (1, "a name has 1 to 100 characters", "name:\n1A"),
        (1, "a name has 1 to 100 characters", f"name: {'x' * 101}\n1A"),
        (3, "header lines stand before the first deck", "[Main]\n1A\nname: late"),
        (2, "header lines stand before the first deck", "1A\nseats: 1"),
        (2, "deck 'a' has no row", "-- nothing\n[a]\n[b]\n1A"),
        (3, "deck 'A' is given twice", "[a]\n1A\n[A]\n1B"),
        (1, "a name has 1 to 100 characters", "[ ]\n1A"),
        (2, "continues a cell, but there is none ahead of it", "[Main]\n^ 1A"),
        (3, "continues a cell, but there is none ahead of it", "[Main]\n. 1A\n^ 2A"),
        (3, "continues a cell, but there is none ahead of it", "[Main]\n1A\n2A ^"),
        (4, "continues a cell, but there is none ahead of it", "[a]\n1A\n[b]\n^ 2A"),
        (2, "continues a cell, but there is none to its left", "[Main]\n< 1A"),
        (2, "continues a cell, but there is none to its left", "[Main]\n. < 1A"),
        (2, "toilet does not cover a rectangle", "[Main]\n# <\n^ 1A"),
        (2, "seat 1A does not cover a rectangle", "[Main]\n1A 1B\n^ <"),
        (1, "row numbers go up", "6-3: A"),
        (1, "row numbers go up", "1-999: A"),
        (2, "a deck has 200 rows at most", "1-150: A\n1-51: B"),
        (1, "a row has 1 to 60 cells", "3:"),
        (2, "a row has 1 to 60 cells", "class v: VIP\n3: :v"),
        (1, "a row has 1 to 60 cells", " ".join(f"{n}A" for n in range(61))),
        (2, "more than 2000 seats", "[a]\n1-50: " + " ".join(f"A{n}" for n in range(41))),
        (1, "more than 40 decks", None),
        (1, "the text is longer than 65536 bytes", "-" * 65537),
        (2, "a character that cannot be printed", "[Main]\n1\x00A"),
        (1, "a character that cannot be printed", "-- a comment\x00\n1A"),
        (1, "there is no seat", ""),
        (1, "there is no seat", "[Main]\n. . #"),
        (21, "more than 20 classes", None),
    ],
)  # fmt: skip
def test_mistakes_are_refused_with_their_line(line: int, message: str, text: str | None):
    if text is None and "decks" in message:
        text = "\n".join(f"[{n}]\n{n}A" for n in range(41))
        line = 81
    elif text is None:
        text = "\n".join(f"class {n}: C{n}" for n in range(21)) + "\n1A"
    with pytest.raises(LayoutError) as refused:
        parse_layout(text)
    assert message in refused.value.message
    assert refused.value.line == line
    assert str(refused.value) == f"line {line}: {refused.value.message}"
    assert refused.value.code() == "LAYOUT_ERROR"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("12A", "12A"),
        ("12a", "12A"),
        (" 12 a ", "12A"),
        ("１２Ａ", "12A"),
        ("12\u00a0\u200bA\ufeff", "12A"),
        ("12\u3000ａ", "12A"),
        ("a\u0301", "Á"),
        ("\u00e1", "Á"),
        ("ﬁ1", "FI1"),
        ("ß", "SS"),
    ],
)
def test_a_label_typed_in_any_way_is_one_label(typed: str, meant: str):
    assert normalise_label(typed) == meant


@pytest.mark.parametrize("typed", ["12E", "", " ", "13A", "12A" * 30, "A12", "12А"])  # Cyrillic А
def test_what_is_no_seat_of_the_layout_is_none(typed: str):
    assert parse_layout("12: A B . C D").seat_index(typed) is None
