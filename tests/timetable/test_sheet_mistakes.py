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
    ("2030-01-01", "1/1/2030", r"line 3, column 4: '1/1/2030' is no date; write 2030-01-01"),
    ("2030-03-01", "2029-03-01", r"line 4, column 4: 2029-03-01 is before 2030-01-01"),
    ("2030-01-02", "soon", r"line 5, column 4: 'soon' is no date"),
    ("2030-06-01", "2030-01-02", r"line 6, column 4: 2030-01-02 is in “not on”"),
    (",no\n", ",perhaps\n", r"line 7, column 4: 'perhaps': write yes, no or sunday"),
    ("mode,bus", "mode,rocket", r"line 8, column 2: 'rocket': write bus, ferry or rail"),
    ("layout,small", "layout,large", r"line 9, column 2: there is no layout 'large'; given: small"),
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
    (SMALL, SMALL + "\n" + SMALL, r"line 14, column 2: line LI stands twice, also at .*line 1,"),
    ("mode,bus", "days,Sat", r"line 8, column 1: the row “days” stands twice"),
    ("country,1\n", "country,1\nholidays,,,no\n", r"line 11, column 1: 'holidays' is a row of set"),
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
        ("from,to,amount\nLagos,Abuja,1\n", r"line 2, column 2: the timetable has no stop or city"),
        ("from,to,amount\nLagos,Ibadan,1.555\n", r"line 2, column 3: .* has too many decimals"),
        ("from,to,amount\nLagos,Ibadn,5\n", r"stop or city 'Ibadn'; did you mean Ibadan\?"),
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
    with pytest.raises(BadSheet, match=r"line 3.*and \d\d more\)") as refused:
        await import_timetable(db, request, now=utc_now())
    assert len(refused.value.mistakes) == 20
    # 30 times and the fare's two.
    assert refused.value.count == 32
    assert "\n" not in str(refused.value)


LOST = [
    ("days,,,Mon-Fri", "days,,Mon-Fri", r"column 3: 'Mon-Fri' \(days\) stands under “country”"),
    ("days,,,Mon-Fri", "days,,Mon to Fry", r"line 2, column 3: 'Mon to Fry'"),
    ("days,,,Mon-Fri", "days,,,,Mon-Fri", r"line 2, column 5: .* stands under no departure"),
    ("not on,,,2030-01-02", "not on,,2026-12-25", r"line 5, column 3: '2026-12-25' \(not on\)"),
    ("not on,,,2030-01-02", "not on,,1/12/2026", r"line 5, column 3: '1/12/2026' \(not on\)"),
    ("holidays,,,no", "holidays,,no", r"column 3: 'no' \(holidays\) stands under “country”"),
    ("layout,small", "layout,,minibus", r"line 9, column 3: 'minibus' \(layout\) stands under"),
    ("mode,bus", "mode,,,ferry", r"column 4: 'ferry' \(mode\) .* to column 2 for the whole"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "said"), LOST)
async def test_a_setting_under_no_departure_is_never_dropped_in_silence(
    db: Database, tmp_path: Path, before: str, after: str, said: str
):
    assert before in SMALL
    request = make_sheet_request(tmp_path, timetable=SMALL.replace(before, after))
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, request, now=utc_now())
    assert [mistake for mistake in refused.value.mistakes if re.search(said, mistake)]
    assert "for the whole line" in refused.value.mistakes[0]


async def test_a_comma_short_in_a_row_of_settings_is_told(db: Database, tmp_path: Path):
    timetable = TIMETABLE.replace("days,,,daily,daily,Mon-Fri", "days,,Mon-Fri,daily,weekend")
    with pytest.raises(BadSheet, match=r"line 2, column 3: .* move it to the column of its"):
        await import_timetable(db, make_sheet_request(tmp_path, timetable=timetable), now=utc_now())


ALL_WRONG = """\
line,LI
days,,,Mon-Fry,daily,daily
layout,,,,large,
stop,city,country,1,2,2
Jibowu,Lagos,Naija,06:00,soon,09:00
Iwo Road,Ibadan,NG,08:45,10:45,11:45

line,IL
days,sometimes
stop,city,country,1,2
Iwo Road,Ibadan,NG,09:00,10:00
Jibowu,Lagos,NG,11:45,09:45

line,LI
stop,city,country,1
Iwo Road,Ibadan,NG,09:00
Jibowu,Lagos,NG,07:45
"""


async def test_mistakes_of_every_kind_come_at_once(db: Database, tmp_path: Path):
    fares = "from,to,class,amount\nLagos,Ibadan,VPI,5000\nLagos,Ibadan,STANDARD,UGX 9\n"
    request = make_sheet_request(tmp_path, timetable=ALL_WRONG, fares=fares)
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, request, now=utc_now())
    wanted = [
        r"line 5, column 3: 'Naija' is no country",
        r"line 2, column 4: 'Mon-Fry' are no days",
        r"line 3, column 5: there is no layout 'large'",
        r"line 5, column 5: 'soon' is no time",
        r"line 4, column 6: LI 2 runs twice",
        r"line 9, column 2: 'sometimes' are no days",
        r"line 12, column 5: this is before the stop above",
        r"line 14, column 2: line LI stands twice",
        r"line 17, column 4: this is before the stop above",
        r"fares\.csv line 2, column 3: no layout has the class VPI",
        r"fares\.csv line 3, column 4: 'UGX 9' is in UGX",
    ]
    told = refused.value.mistakes
    assert [said for said in wanted if not any(re.search(said, one) for one in told)] == []
    assert len(told) == len(wanted)


async def test_fares_of_a_wider_network_are_passed_over_and_remarked(db: Database, tmp_path: Path):
    wide = FARES + "".join(f"Lagos,{name},STANDARD,9000\n" for name in ("Abuja", "Kano", "Ibadn"))
    wide += "Abuja,Kano,BUNK,9000\n"
    request = make_sheet_request(tmp_path, fares=wide)
    report = await import_timetable(db, request, now=utc_now())
    [said] = [one for one in report.remarks if "not in the timetable" in one]
    assert said.startswith("3 places of the fares not in the timetable, their rows passed over: ")
    assert "'Ibadn'; did you mean Ibadan? (fares.csv line 6, column 2); 'Abuja' (fares.csv" in said
    narrow = "from,to,amount\nAbuja,Kano,9000\n"
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, make_sheet_request(tmp_path, fares=narrow), now=utc_now())
    assert [one for one in refused.value.mistakes if "column 2: the timetable has no stop" in one]


async def test_a_city_that_looks_like_another_is_asked_about_beside_the_mistakes(
    db: Database, tmp_path: Path
):
    async with db.connection() as conn:
        for name in ("Lagos", "Ibadan"):
            await put_city(conn, name=name, country="NG", timezone="Africa/Lagos")
    typed = SMALL.replace("Ibadan", "Ibadn").replace("06:00", "soon")
    with pytest.raises(BadSheet) as refused:
        await import_timetable(db, make_sheet_request(tmp_path, timetable=typed), now=utc_now())
    [question] = refused.value.questions
    assert "the city Ibadn (NG) is new; did you mean Ibadan?" in question


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
