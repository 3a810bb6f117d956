import re
from pathlib import Path

import pytest

from kiti.network.service import put_city
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.intake.model import SheetRefused
from kiti.timetable.intake.service import import_timetable
from kiti.timetable.model import BadLayout, BadWindow, ImportRefused, ImportRequest, PerKm
from kiti.timetable.service import import_gtfs
from kiti.timetable.sheets.cells import BadSheet
from sheet_make import FARES, LAYOUT, TIMETABLE, make_sheet_request, make_workbook

SMALL = """\
line,LI
days,,,Mon-Fri
from,,,2030-01-01
until,,,2030-03-01
not on,,,2030-01-02
also on,,,2030-06-01
holidays,,,no
mode,bus
layout,small
stop,city,country,1
Jibowu,Lagos,NG,06:00
Iwo Road,Ibadan,NG,08:45
"""

# What is written instead, and what is said of it.
SLIPS = [
    ("line,LI", "route,LI", r"line 1, column 1: this row is in no line; put a row “line”"),
    ("line,LI", "line,", r"line 1, column 2: a line needs a code"),
    ("days,", "weekdays,", r"line 2, column 1: 'weekdays' is no row of a line: name, mode, days"),
    ("Mon-Fri", "Mon-Fry", r"line 2, column 4: 'Mon-Fry' are no days; write daily"),
    ("2030-01-01", "1/1/2030", r"line 3, column 4: '1/1/2030' is no date; write it as 2026-12-25"),
    ("2030-03-01", "2029-03-01", r"line 4, column 4: 2029-03-01 is before 2030-01-01"),
    ("2030-01-02", "soon", r"line 5, column 4: 'soon' is no date"),
    ("2030-06-01", "2030-01-02", r"line 6, column 4: 2030-01-02 is in “not on”"),
    (",no\n", ",perhaps\n", r"line 7, column 4: 'perhaps': write yes, no or sunday"),
    ("mode,bus", "mode,rocket", r"line 8, column 2: 'rocket': write bus, ferry or rail"),
    ("layout,small", "layout,large", r"column 4: there is no layout 'large'; given: small"),
    ("stop,city,country", "stop,place,country", r"line 10, column 1: beside “stop” goes a column"),
    ("Jibowu,Lagos", ",Lagos", r"line 11, column 1: the stop is missing"),
    ("Jibowu,Lagos", "Jibowu,", r"line 11, column 2: the city is missing"),
    ("Lagos,NG", "Lagos,Naija", r"line 11, column 3: 'Naija' is no country; write NG or Nigeria"),
    ("06:00", "6 o'clock", r"line 11, column 4: \"6 o'clock\" is no time; write it as 07:30"),
    ("08:45", "", r"line 10, column 4: a departure calls at 2 to 200 stops, this one at 1"),
    ("08:45", "05:45", r"line 12, column 4: this is before the stop above; .* write 29:45"),
    ("06:00", "06:00 off", r"nobody may board anywhere"),
    ("08:45", "08:45 on", r"nobody may leave anywhere"),
    ("Iwo Road,Ibadan,NG,08:45\n", "", r"line 1, column 1: after a row “stop”, a line needs two"),
    ("Iwo Road,Ibadan,NG,08:45", "Iwo Road,Goma,CD,08:45", "CD has several zones: add a column"),
    ("country,1\n", "country,1,2\n", r"line 10, column 5: .* this one at 0"),
    ("06:00\nIwo Road,Ibadan,NG,08:45", "06:00,07:00\nIwo Road,Ibadan,NG,08:45,09:00", None),
    (SMALL, "", r"timetable\.csv: no timetable"),
    (SMALL, SMALL + "\n" + SMALL, r"line 24, column 1: line LI stands twice"),
    (SMALL, SMALL + "\nx,y\n", r"line 14, column 1: this row is in no line"),
    (SMALL, SMALL + "Nowhere,Utopia,NG,-\n", None),
]


@pytest.mark.parametrize(("before", "after", "said"), SLIPS)
async def test_each_slip_is_told_with_its_place(
    db: Database, tmp_path: Path, before: str, after: str, said: str | None
):
    assert before in SMALL
    request = make_sheet_request(tmp_path, timetable=SMALL.replace(before, after, 1))
    if said is None:  # a departure without a heading, a stop where nothing calls
        report = await import_timetable(db, request, now=utc_now())
        assert report.stops == 2
        return
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, request, now=utc_now())
    assert any(re.search(said, mistake) for mistake in refused.value.mistakes)


@pytest.mark.parametrize(
    ("fares", "said"),
    [
        ("from,to,price?\n", r"fares\.csv line 1, column 1: fares have columns from, to"),
        ("from,to,amount\nLagos,Abuja,1\n", r"line 2, column 1: the timetable has no stop or city"),
        ("from,to,amount\nLagos,Ibadan,1.555\n", r"line 2, column 3: .* could be two amounts"),
        ("from,to,amount\nLagos,Ibadan,\n", r"line 2, column 3: '' is no amount"),
        ("from,to,amount\n,Ibadan,5\n", r"line 2, column 1: name a stop or a city"),
        ("from,to,type,amount\nLagos,Ibadan,baby,5\n", r"line 2, column 3: 'BABY': one of adult"),
        ("from,to,class,amount\nLagos,Ibadan,1st,5\n", r"line 2, column 3: '1ST' is no seat class"),
        ("from,to,amount\nLagos,Ibadan,5\nLagos,Ibadan,6\n", r"line 3.* as fares.csv line 2"),
        ("from,to,amount\nLagos,Berger,5\n", r"no fare for any part of LI 2"),
        ("from,to,type,amount\nLagos,Ibadan,child,5\n", r"no fare for any part of LI 1"),
    ],
)  # fmt: skip
async def test_each_slip_of_the_fares_is_told(db: Database, tmp_path: Path, fares: str, said: str):
    request = make_sheet_request(tmp_path, fares=fares)
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, request, now=utc_now())
    assert any(re.search(said, mistake) for mistake in refused.value.mistakes)


async def test_several_mistakes_are_told_at_once_and_twenty_at_most(db: Database, tmp_path: Path):
    times = "".join(f"Stop {n},Lagos,NG,half past {n}\n" for n in range(30))
    request = make_sheet_request(
        tmp_path, timetable=f"line,LI\nstop,city,country,1\n{times}", fares="from,to,amount\n,b,x\n"
    )
    with pytest.raises(BadSheet, match=r"line 3.*and \d\d more: see above") as refused:
        await import_timetable(db, request, now=utc_now())
    assert len(refused.value.mistakes) == 20
    # 30 times, the departure without calls, and the fare's two.
    assert refused.value.count == 33
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "refusal", "said"),
    [
        ({"operator": "nobody", "name": None}, SheetRefused, "give its --name and --zone"),
        ({"currency": "NAIRA"}, SheetRefused, "--currency"),
        ({"feed": "x" * 101}, SheetRefused, "--feed"),
        ({"days_ahead": 0}, SheetRefused, "--days-ahead"),
        ({"close_minutes": -1}, SheetRefused, "--close-minutes"),
        ({"name": "x" * 201}, SheetRefused, "--name"),
        ({"layouts": []}, SheetRefused, "--layout"),
        ({"day": utc_now().date().replace(year=2020)}, BadWindow, "from today on"),
        ({"day": utc_now().date().replace(year=2099)}, BadWindow, "two years"),
        ({"fares": None}, SheetRefused, "no fares"),
    ],
)  # fmt: skip
async def test_a_request_that_cannot_be_is_refused(
    db: Database, tmp_path: Path, changes: dict[str, object], refusal: type, said: str
):
    request = make_sheet_request(tmp_path, **({"fares": FARES} | changes))  # pyright: ignore[reportArgumentType] fields by name
    with pytest.raises(refusal, match=said):
        await import_timetable(db, request, now=utc_now())


async def test_a_layout_that_is_wrong_and_a_feed_of_another_source_are_refused(
    db: Database, tmp_path: Path
):
    with pytest.raises(BadLayout, match=r"small\.layout line"):
        await import_timetable(db, make_sheet_request(tmp_path, layout="seats: 1\n"), now=utc_now())
    await import_timetable(db, make_sheet_request(tmp_path), now=utc_now())
    feed = ImportRequest(tmp_path, tmp_path, "NGN", "acme", per_km=PerKm(1, 1))
    with pytest.raises(ImportRefused, match="made of schedules"):
        await import_gtfs(db, feed, now=utc_now())
    async with db.connection() as conn:
        await conn.execute("UPDATE stop SET feed = 'other'")
    with pytest.raises(ImportRefused, match="choose another --feed"):
        await import_timetable(db, make_sheet_request(tmp_path, feed="other"), now=utc_now())


async def test_a_city_that_looks_like_another_is_remarked_and_one_by_its_other_name_is_found(
    db: Database, tmp_path: Path
):
    async with db.connection() as conn:
        for name, aliases in (("Lagos", ("Eko",)), ("Ibadan", ())):
            await put_city(conn, name=name, country="NG", timezone="Africa/Lagos", aliases=aliases)
    typed = TIMETABLE.replace("Jibowu,Lagos", "Jibowu,Eko").replace(
        "Iwo Road,Ibadan", "Iwo Road,Ibadn"
    )
    request = make_sheet_request(
        tmp_path,
        timetable=typed,
        is_dry_run=True,
        fares=FARES.replace("Ibadan", "Ibadn") + "Lagos,Ibadan,STANDARD,1\n",
    )
    report = await import_timetable(db, request, now=utc_now())
    assert report.new_cities == ["Ibadn (NG)"]
    assert any("Ibadn (NG) is new; did you mean Ibadan?" in one for one in report.remarks)
    assert "did you mean Ibadan?" in report.text()


async def test_a_workbook_brings_its_fares_along(db: Database, tmp_path: Path):
    rows = [line.split(",") for line in SMALL.splitlines()]
    fares = [["from", "to", "amount"], ["Jibowu", "Iwo Road", 5000.5]]
    book = make_workbook({"Times": rows, "Notes": [["by Ada"]], "Fares": fares})
    request = make_sheet_request(tmp_path, timetable=book, file="book.xlsx", fares=None)
    report = await import_timetable(db, request, now=utc_now())
    assert report.departures == 1
    assert "the sheet Notes is no timetable and no fares: passed over" in report.remarks
    assert "1 fare, from 5,000.50 to 5,000.50 NGN" in report.remarks
    assert "no fare names the class VIP: its seats cost the standard fare" in report.remarks
    assert LAYOUT.count("VIP") == 1
