import json
from collections.abc import AsyncGenerator, Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cluster import Cluster
from kiti.app.timetables import schedule_lines
from kiti.platform.clock import utc_now
from kiti.timetable.schedules.calendar import Calendar
from kiti.timetable.schedules.model import Rule, Schedule
from kiti.timetable.schedules.service import Running
from kiti.timetable.sheets.cells import BadSheet
from kiti.timetable.sheets.holidays import read_holidays
from kiti.timetable.sheets.templates import FARES as TEMPLATE_FARES
from kiti.timetable.sheets.templates import to_csv
from product_process import Ran, environment, run_kiti
from sheet_make import FARES, LAYOUT

Kiti = Callable[..., Ran]


@pytest.fixture
async def kiti(cluster: Cluster, worker_id: str, tmp_path: Path) -> AsyncGenerator[Kiti]:
    """Runs a command on a database of the test's own, which `import` migrates."""
    name = f"kiti_sheets_{worker_id}"
    url = await cluster.create_database(name)
    known = environment(tmp_path / "data", DATABASE_URL=url)

    def start(*arguments: str | Path) -> Ran:
        return run_kiti(*arguments, cwd=tmp_path, environment=known)

    yield start
    await cluster.drop_database(name)


async def test_from_a_template_to_trips_by_commands_alone(kiti: Kiti, tmp_path: Path):
    (tmp_path / "coach.layout").write_text(LAYOUT)
    (tmp_path / "fares.csv").write_bytes(to_csv(TEMPLATE_FARES))
    printed = kiti("template", "timetable")
    assert printed.code == 0
    (tmp_path / "timetable.csv").write_text(printed.out)
    command = (
        "import", "timetable", "timetable.csv", "--fares", "fares.csv", "--operator", "acme",
        "--name", "Acme", "--zone", "Africa/Lagos", "--layout", "coach.layout",
        "--currency", "NGN", "--days-ahead", "7",
    )  # fmt: skip
    dry = kiti(*command, "--dry-run")
    assert dry.code == 0, dry.err
    assert "Nothing was written" in dry.out
    done = kiti(*command, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["schedules"]["new"] == ["IL 1", "IL 2", "LI 1", "LI 2", "LI 3"]
    assert told["trips"]["new"]["count"] > 4 * 6

    listed = kiti("schedule", "list", "--operator", "acme")
    assert listed.out.startswith("acme: 5 departures\n  acme  IL 1  ")
    assert listed.out.count("\n") == 6
    assert "LI 2  07:30 Africa/Lagos  daily, holidays as Sunday" in listed.out
    tomorrow = utc_now().date() + timedelta(days=1)
    assert str(tomorrow) in kiti("schedule", "show", "IL 1").out

    assert "  days       next dates" in dry.out
    holiday = ("--on", str(tomorrow), "--country", "ng")
    added = kiti("holidays", "add", *holiday, "--name", "Feast")
    assert (added.code, added.out.partition(";")[0]) == (0, "1 holiday")
    assert kiti("holidays", "list", "--country", "NG").out == f"{tomorrow}  NG  Feast\n"
    made = kiti("job", "make-trips")
    assert made.code == 0, made.err
    assert kiti("holidays", "remove", *holiday).out == f"{tomorrow} is a holiday no more\n"
    again = kiti("holidays", "remove", *holiday)
    assert (again.code, again.out, again.err) == (1, "", "kiti: there is no such holiday\n")
    for command in ("add", "--on", str(tomorrow), "--name", "x"), ("list",):
        refused = kiti("holidays", *command, "--country", "Kenya")
        assert refused.code == 1
        assert refused.err == "kiti: 'Kenya': write the country's code, KE\n"


def test_schedules_are_listed_by_operator_the_demos_last():
    def one(feed: str, operator: str, number: int) -> Running:
        same = UUID(int=1)
        rule = Rule(f"L {number}", same, same, same, same, Calendar(), 27_000, "Africa/Lagos", 10)
        return Running(Schedule(same, feed, rule, date(2026, 1, 1), None), 1, "NG", operator)

    many = [one("demo", "aba-lines", 1), *(one("acme", "acme", n) for n in range(30))]
    lines = list(schedule_lines([*many, one("zed", "zed", 1)], is_whole=False))
    assert lines[0] == "acme: 30 departures"
    assert lines[20:23] == [
        "  acme  L 19  07:30 Africa/Lagos  daily  in force from 2026-01-01",
        "  and 10 more: kiti schedule list --operator acme",
        "zed: 1 departure",
    ]
    assert lines[-2:] == [
        "aba-lines: 1 departure of the demo",
        "  shown by: kiti schedule list --operator aba-lines",
    ]
    assert len(list(schedule_lines(many[1:], is_whole=True))) == 31


async def test_mistakes_are_listed_and_the_error_is_one_line(kiti: Kiti, tmp_path: Path):
    (tmp_path / "coach.layout").write_text(LAYOUT)
    (tmp_path / "t.csv").write_text("line,L\nstop,city,country,1\nA,B,NG,soon\nC,D,NG,late\n")
    (tmp_path / "fares.csv").write_text(FARES)
    done = kiti(
        "import", "timetable", "t.csv", "--fares", "fares.csv", "--operator", "acme",
        "--name", "Acme", "--zone", "Africa/Lagos", "--layout", "coach.layout", "--currency", "NGN",
    )  # fmt: skip
    assert done.code == 2
    assert done.out.splitlines()[:2] == [
        "t.csv line 3, column 4: 'soon' is no time; write it as 07:30",
        "t.csv line 4, column 4: 'late' is no time; write it as 07:30",
    ]
    assert done.err == "kiti: nothing was changed: 2 mistakes, see above\n"
    (tmp_path / "h.csv").write_text("Christmas,2090-12-25\n")
    done = kiti("holidays", "add", "h.csv", "--country", "NG")
    assert (done.code, done.out.count("\n")) == (2, 1)
    assert done.err == "kiti: nothing was changed: 1 mistake, see above\n"


def test_a_file_of_holidays(tmp_path: Path):
    file = tmp_path / "h.csv"
    file.write_text("date,name\n2090-12-25,Christmas\n26/12/2090,Boxing Day\n2090-12-31,\n")
    with pytest.raises(BadSheet) as refused:
        read_holidays(file)
    assert [mistake[:23] for mistake in refused.value.mistakes] == [
        "h.csv line 3, column 1:", "h.csv line 4, column 2:",
    ]  # fmt: skip
    file.write_text("2090-12-25;Christmas\n# no more\n")
    assert read_holidays(file) == {date(2090, 12, 25): "Christmas"}
    file.write_text("# none\n")
    with pytest.raises(BadSheet, match="a row has a date and a name"):
        read_holidays(file)
