"""A spreadsheet read against what is on file: a draft that can be written, or its mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.fares.model import PassengerType
from kiti.fares.service import FareTables
from kiti.network.layout import Layout
from kiti.network.times import zone_of
from kiti.platform.db import Conn
from kiti.timetable import store
from kiti.timetable.currency import is_currency
from kiti.timetable.intake import store_places as store_schedule_places
from kiti.timetable.intake.fares import (
    Fares,
    price_pairs,
    remark_far_off,
    remark_fares,
    remark_strange,
)
from kiti.timetable.intake.model import SheetRefused, SheetRequest
from kiti.timetable.intake.places import Places, match_places
from kiti.timetable.intake.plan import PlannedDeparture, plan_departures
from kiti.timetable.intake.store_places import OperatorRow, StopRow
from kiti.timetable.model import FEED_NAME_MAX, BadWindow
from kiti.timetable.schedules import store as store_schedule
from kiti.timetable.schedules.model import DAYS_AHEAD, DAYS_AHEAD_MAX
from kiti.timetable.schedules.service import SCHEDULES_MAX, list_schedules
from kiti.timetable.service import read_layout
from kiti.timetable.sheets.blocks import is_timetable
from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.fares import is_fares, read_fares
from kiti.timetable.sheets.grid import read_lines
from kiti.timetable.sheets.model import SheetFare, SheetLine
from kiti.timetable.sheets.reading import read_tables

CLOSE_MINUTES: Final = 10
CLOSE_MINUTES_MAX: Final = 10_080
NAME_MAX: Final = 200
DAY_MAX_AHEAD: Final = 732


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator as it will be."""

    code: str
    name: str
    timezone: str
    phone: str | None
    sales_close_minutes: int


@dataclass(frozen=True, slots=True)
class Draft:
    """All that is to be written, by codes; `fares` in minor units of `currency`.

    `day` is the first service date it is for; `layouts` are texts and what they draw, by name.
    """

    feed: str
    day: date
    today: date
    days_ahead: int
    operator: Operator
    lines: Sequence[SheetLine]
    places: Places
    departures: Sequence[PlannedDeparture]
    layouts: Mapping[str, tuple[str, Layout]]
    currency: str
    fares: Fares
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files say by themselves; `fares` None when they have none."""

    lines: tuple[SheetLine, ...]
    fares: tuple[SheetFare, ...] | None
    remarks: tuple[str, ...]


async def make_draft(conn: Conn, request: SheetRequest, *, now: datetime) -> Draft:
    """Read the files and match them to what is on file; writes nothing.

    Raises:
        BadSheet: the files have mistakes, the first 20 of them in it.
        BadLayout: a layout has one.
        SheetRefused: the operator is not known, or the feed is another source's.
        BadWindow: the day is past, or years ahead.
    """
    _check(request)
    operator = await _operator(conn, request)
    today = now.astimezone(zone_of(operator.timezone)).date()
    day = request.day or today
    if not today <= day <= today + timedelta(days=DAY_MAX_AHEAD):
        raise BadWindow(f"--from {day}: a day from today on, two years ahead at most")
    layouts = {path.stem: read_layout(path) for path in request.layouts}
    mistakes = Mistakes(request.file.name)
    read = _read_files(request, day, list(layouts), mistakes)
    days_ahead = await _days_ahead(conn, request)
    on_file = await store_schedule_places.list_stops(conn, feed=request.feed_name)
    countries = {stop.country for line in read.lines for stop in line.stops}
    cities = await store_schedule_places.list_cities(conn, countries=sorted(countries))
    places = match_places(read.lines, cities, on_file, zone=operator.timezone, mistakes=mistakes)
    departures = plan_departures(
        read.lines, places.of_line, day=day, layout=next(iter(layouts)), mistakes=mistakes
    )
    # Of a timetable that is not whole the fares would be said to lack what was only misread.
    is_whole = not mistakes.count
    # A row where nothing calls makes no stop: clerks keep it for another season.
    places = places.only({call.stop for one in departures for call in one.calls})
    classes = _classes(layouts)
    pairs = list(dict.fromkeys(pair for one in departures for pair in one.pairs()))
    remarks = [*read.remarks, *places.remarks]
    fares: Fares = {}
    if read.fares is not None:
        priced = price_pairs(read.fares, places.stops, pairs, classes, mistakes)
        fares = priced.fares
        if is_whole:
            remarks += remark_strange(priced, places.stops, mistakes)
            remarks += remark_far_off(priced.used, request.currency)
            _check_sold(departures, fares, "no fare", mistakes)
    elif is_whole:
        fares, given_up = await _fares_on_file(conn, request, on_file, day)
        remarks += given_up
        _check_sold(departures, fares, "no fare on file (give --fares)", mistakes)
    mistakes.refuse(places.remarks)
    words = {stop.code: stop.words for stop in places.stops}
    remarks += remark_fares(fares, pairs, classes, words, request.currency)
    return Draft(
        feed=request.feed_name,
        day=day,
        today=today,
        days_ahead=days_ahead,
        operator=operator,
        lines=read.lines,
        places=places,
        departures=departures,
        layouts=layouts,
        currency=request.currency,
        fares=fares,
        remarks=remarks,
    )


def _check(request: SheetRequest) -> None:
    feed = request.feed_name
    if not 0 < len(feed) <= FEED_NAME_MAX or not feed.isprintable():
        raise SheetRefused(f"--feed: a name of 1 to {FEED_NAME_MAX} letters")
    if not is_currency(request.currency):
        raise SheetRefused(f"--currency {request.currency}: no ISO 4217 currency, as NGN is")
    if not request.layouts:
        raise SheetRefused("give a --layout")
    if len({path.stem for path in request.layouts}) < len(request.layouts):
        raise SheetRefused("--layout: two files of one name; a column names a layout by it")
    if request.name is not None and not 0 < len(request.name) <= NAME_MAX:
        raise SheetRefused(f"--name: 1 to {NAME_MAX} letters")
    if request.close_minutes is not None and not 0 <= request.close_minutes <= CLOSE_MINUTES_MAX:
        raise SheetRefused(f"--close-minutes: 0 to {CLOSE_MINUTES_MAX:,}")
    if request.days_ahead is not None and not 1 <= request.days_ahead <= DAYS_AHEAD_MAX:
        raise SheetRefused(f"--days-ahead: 1 to {DAYS_AHEAD_MAX}")


def _read_files(
    request: SheetRequest, day: date, layouts: Sequence[str], mistakes: Mistakes
) -> _Read:
    """The lines and fares of the files; what is wrong goes to `mistakes`."""
    tables = read_tables(request.file)
    sheets = [table for table in tables if is_fares(table)]
    # Of a file without any line each row is told to be in none.
    timetables = [table for table in tables if is_timetable(table)] or [
        table for table in tables if not is_fares(table)
    ]
    other = [table for table in tables if table not in timetables and not is_fares(table)]
    remarks = tuple(
        f"the sheet {table.sheet} is no timetable and no fares: passed over"
        for table in other
        if table.sheet is not None and any(not table.is_empty(n) for n in range(len(table.rows)))
    )
    if request.fares is not None:
        given = read_tables(request.fares)
        sheets = [table for table in given if is_fares(table)] or given[:1]
    lines = read_lines(timetables, day, mistakes, layouts=layouts)
    fares = tuple(
        fare for table in sheets for fare in read_fares(table, request.currency, mistakes)
    )
    return _Read(lines, fares if sheets else None, remarks)


async def _operator(conn: Conn, request: SheetRequest) -> Operator:
    row = await store_schedule_places.find_operator(conn, code=request.operator)
    await _check_feed(conn, request)
    if row is None:
        if request.name is None or request.timezone is None:
            raise SheetRefused(
                f"there is no operator {request.operator}: to make it, give its --name and --zone"
            )
        row = OperatorRow(
            UUID(int=0), request.operator, request.name, request.timezone, None, CLOSE_MINUTES
        )
    timezone = request.timezone or row.timezone
    zone_of(timezone)
    return Operator(
        code=row.code,
        name=request.name or row.name,
        timezone=timezone,
        phone=row.phone,
        sales_close_minutes=(
            row.sales_close_minutes if request.close_minutes is None else request.close_minutes
        ),
    )


async def _check_feed(conn: Conn, request: SheetRequest) -> None:
    """Refuse a feed that another source writes: each would end what the other lists."""
    feed = request.feed_name
    if await store_schedule.find_feed(conn, feed=feed) is None and await store.has_stops(
        conn, feed=feed
    ):
        raise SheetRefused(f"the feed {feed} comes from another source: choose another --feed")


async def _days_ahead(conn: Conn, request: SheetRequest) -> int:
    row = await store_schedule.find_feed(conn, feed=request.feed_name)
    kept = DAYS_AHEAD if row is None else row.days_ahead
    return kept if request.days_ahead is None else request.days_ahead


def _classes(layouts: Mapping[str, tuple[str, Layout]]) -> list[str]:
    return list(dict.fromkeys(name for _, layout in layouts.values() for name in layout.classes))


async def _fares_on_file(
    conn: Conn, request: SheetRequest, stops: Sequence[StopRow], day: date
) -> tuple[Fares, list[str]]:
    """The fares that the feed's schedules have on `day`, by the stops' codes, and a remark or none.

    What was planned for after `day` ends with this import, its fares too: that is remarked.
    """
    on_file = [
        one.schedule
        for one in await list_schedules(
            conn, since=day, feed=request.feed_name, limit=SCHEDULES_MAX
        )
    ]
    tables = {one.rule.fare_table_id for one in on_file if one.is_in_force(day)}
    if not tables:
        raise SheetRefused(
            f"no fares on file for {day}: give --fares FILE, or a sheet of fares in the workbook"
        )
    if len(tables) > 1:
        raise SheetRefused("the departures on file have different fares: give --fares FILE")
    [fare_table_id] = tables
    table = await FareTables().table(conn, fare_table_id)
    if table.currency != request.currency:
        raise SheetRefused(f"--currency: the fares on file are in {table.currency}; give --fares")
    codes = {stop.stop_id: stop.code for stop in stops}
    fares = {
        (
            codes[key.from_stop_id],
            codes[key.to_stop_id],
            key.seat_class,
            key.passenger_type,
        ): minor
        for key, minor in table.fares.items()
    }
    later = [one.valid_from for one in on_file if one.rule.fare_table_id not in tables]
    if not later:
        return fares, []
    return fares, [f"the fares planned from {min(later)} on are given up: those of {day} go on"]


def _check_sold(
    departures: Sequence[PlannedDeparture], fares: Fares, what: str, mistakes: Mistakes
) -> None:
    """A departure that nobody could buy a seat of is a mistake of the fares; `what` lacks one."""
    priced = {key[:2] for key in fares if key[3] == PassengerType.ADULT}
    for departure in departures:
        if priced.isdisjoint(departure.pairs()):
            mistakes.add(departure.place, f"{what} for any part of {departure.code}")
