"""A GTFS feed becomes trips that can be sold: read, plan, price, write."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from kiti.fares.model import FareTableInvalid
from kiti.network.layout import Layout, LayoutError, parse_layout
from kiti.network.times import zone_of
from kiti.platform.db import Conn, Database
from kiti.timetable import store
from kiti.timetable.currency import is_currency
from kiti.timetable.fares_csv import read_fares_csv
from kiti.timetable.gtfs.model import Feed
from kiti.timetable.gtfs.reader import read_feed
from kiti.timetable.model import (
    FEED_NAME_MAX,
    BadFares,
    BadLayout,
    ImportRefused,
    ImportRequest,
    Progress,
    Warn,
    Window,
    window_of,
)
from kiti.timetable.planner import Plan, make_plan
from kiti.timetable.preview import describe_plan
from kiti.timetable.remarks import Code, counted
from kiti.timetable.renewal.changes import ALTERED, TooManyRemovals, too_many
from kiti.timetable.renewal.engine import (
    FeedTurn,
    Wanted,
    bring_in_line,
    check_removals,
    compare,
    feed_turn,
)
from kiti.timetable.report import Report
from kiti.timetable.schedules.store import find_feed
from kiti.timetable.tariffs import FareSource, Tariffs, make_tariffs
from kiti.timetable.writer import (
    LOOKING,
    WRITING,
    Pen,
    Written,
    calls_of,
    trips_on,
    write_network,
)

LAYOUT_BYTES_MAX = 256 * 1024
NAMESAKES_MAX = 5


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def no_warning(_text: str) -> None:
    """Warnings that nobody hears at once: they are in the report too."""


async def import_gtfs(
    db: Database,
    request: ImportRequest,
    *,
    now: datetime,
    progress: Progress = no_progress,
    warn: Warn = no_warning,
) -> Report:
    """Import a feed; the doctor's report, also when no trip could be sold.

    Trips on file (same feed, code and service date) are brought in line with the feed, but for
    what is held or sold, which is never touched: see `renewal`. Written in many transactions: one
    that is cut off leaves whole trips, and is simply run again. A dry run writes nothing. When too
    many trips would go, no trip is written, and the report is refused.

    Raises:
        ImportRefused: before anything is written; `NotAFeed`, `BadLayout` and `BadFares` say where.
        FeedBusy: another import of the feed is under way.
    """
    _check(request)
    async with db.connection() as conn:
        if await find_feed(conn, feed=request.feed) is not None:
            raise ImportRefused(
                f"the feed {request.feed} is made of schedules: give another --feed"
            )
        edition = await store.find_edition(conn, feed=request.feed)
    layout_text, layout = read_layout(request.layout)
    report = Report(request.feed, is_dry_run=request.is_dry_run)
    feed = read_feed(
        request.file,
        report,
        ignores_pickup_types=request.ignores_pickup_types,
        progress=lambda name, rows: progress(f"reading {name}", rows, 0),
    )
    plan, tariffs = _plan(
        feed, request, layout, report, now, weeks_before=edition and edition.shift_weeks
    )
    async with db.connection() as conn:
        await _look_beside(conn, request, plan, report)
    for text in (*report.alerts, *report.warnings):
        warn(text)
    ware = (plan, tariffs, (layout_text, layout))
    is_other_week = report.shift_weeks_before not in {None, report.shift_weeks}
    if is_other_week:
        report.alerts.append(_moved_before(report))
    if request.is_dry_run or is_other_week or report.refusal is not None:
        await _rehearse(db, request, ware, report, progress)
    if not request.is_dry_run and report.refusal is None:
        await _renew(db, request, ware, report, progress)
    return report


async def _look_beside(conn: Conn, request: ImportRequest, plan: Plan, report: Report) -> None:
    """Tell whether a new feed's operators are on file under another: it may be the same feed.

    Then its trips would be sold beside their own former selves. Refused, unless a person has said
    the feed's name.
    """
    if not plan.trips or await store.has_stops(conn, feed=request.feed):
        return
    routes = {trip.pattern.route_id for trip in plan.trips}
    agencies = {plan.feed.routes[route_id].agency_id for route_id in routes}
    found = await store.list_namesakes(
        conn,
        feed=request.feed,
        names=sorted({plan.feed.agencies[agency_id].name for agency_id in agencies}),
        first=plan.window.first,
        last=plan.window.last,
        limit=NAMESAKES_MAX,
    )
    report.alerts += [
        f"{counted(row.trips, 'trip')} of {row.operator_name} are on file under the feed "
        f"{row.feed}: give --feed {row.feed} to renew them"
        for row in found
    ]
    if found and not request.is_feed_named:
        report.refusal = (
            f"give --feed {found[0].feed} to renew these trips, or --feed {request.feed} to sell "
            "others beside them"
        )


def _moved_before(report: Report) -> str:
    return (
        f"the import before moved this timetable by {report.shift_weeks_before} weeks, "
        f"this one does by {report.shift_weeks}: trips on file are compared with another week's"
    )


def _refusal(request: ImportRequest, report: Report) -> str | None:
    """Why these changes need somebody's word; None when they need none."""
    changes = report.changes
    if request.may_remove:
        return None
    if changes.is_too_many:
        return too_many(changes)
    is_other_week = report.shift_weeks_before not in {None, report.shift_weeks}
    if is_other_week and (count := sum(map(changes.count, ALTERED))):
        return (
            f"{counted(count, 'trip')} on file would become another week's; say --allow-removals, "
            "or --shift with a date of the week that was this week before"
        )
    return None


# What is to be on sale: the plan, its fares, and the layout's text with what it draws.
_Ware = tuple[Plan, Tariffs, tuple[str, Layout]]


async def _rehearse(
    db: Database, request: ImportRequest, ware: _Ware, report: Report, progress: Progress
) -> None:
    """Tell what a real run would do."""
    plan, tariffs, layout = ware
    written = await write_network(
        db,
        plan,
        tariffs,
        pen=LOOKING,
        layout=layout,
        feed_name=request.feed,
        progress=lambda _what, done, total: progress("comparing the network", done, total),
    )
    _tell_names(written, report)
    report.changes = await compare(
        db,
        request.feed,
        window=plan.window,
        wanted=partial(trips_on, plan, written, request.feed),
        calls_of=calls_of(plan, written),
        progress=progress,
        total=report.runs_planned,
    )
    report.refusal = report.refusal or _refusal(request, report)


async def _renew(
    db: Database, request: ImportRequest, ware: _Ware, report: Report, progress: Progress
) -> None:
    """Write it; when too many trips would go, refuse instead, and say so in the report.

    How far the calendars are moved is noted before the first trip: of an import that is cut off,
    too, the next one must know it.
    """
    plan, tariffs, layout = ware

    def looking(_what: str, done: int, total: int) -> None:
        progress("comparing the network", done, total)

    async with feed_turn(db, request.feed) as turn:

        async def wanted_of(pen: Pen) -> Wanted:
            written = await write_network(
                turn,
                plan,
                tariffs,
                pen=pen,
                layout=layout,
                feed_name=request.feed,
                progress=looking if pen is LOOKING else progress,
            )
            _tell_names(written, report)
            return partial(trips_on, plan, written, request.feed)

        try:
            if not request.may_remove:
                await _check_removals(turn, plan.window, wanted_of)
            report.changes = await bring_in_line(
                turn,
                window=plan.window,
                wanted=await wanted_of(WRITING if plan.trips else LOOKING),
                may_remove=request.may_remove,
                begin=_noting(request.feed, plan) if plan.trips else None,
                progress=progress,
                total=report.runs_planned,
            )
        except TooManyRemovals as refused:
            report.refusal = str(refused)
    if report.refusal is not None:
        await _rehearse(db, request, ware, report, progress)


async def _check_removals(
    turn: FeedTurn, window: Window, wanted_of: Callable[[Pen], Awaitable[Wanted]]
) -> None:
    """Refuse to end too many trips before any stop or fare of this edition is written."""
    async with turn.db.connection() as conn:
        is_first = not await store.has_stops(conn, feed=turn.feed)
    if not is_first:
        await check_removals(turn, window=window, wanted=await wanted_of(LOOKING))


def _tell_names(written: Written, report: Report) -> None:
    """Operators that the feed calls otherwise than passengers who have booked know them."""
    report.alerts += [text for text in written.names_kept if text not in report.alerts]


def _noting(feed: str, plan: Plan) -> Callable[[Conn], Awaitable[None]]:
    return partial(store.put_edition, feed=feed, shift_weeks=plan.shift_weeks)


def _check(request: ImportRequest) -> None:
    if not 0 < len(request.feed) <= FEED_NAME_MAX or not request.feed.isprintable():
        raise ImportRefused(f"--feed: a name of 1 to {FEED_NAME_MAX} letters")
    if not is_currency(request.currency):
        raise BadFares(f"--currency {request.currency}: no ISO 4217 currency, as NGN or KES is")
    if request.fares_csv is not None and request.per_km is not None:
        raise BadFares("give either --fares or --per-km with --minimum, not both")


def read_layout(path: Path) -> tuple[str, Layout]:
    """The text of a layout file, and what it draws."""
    try:
        raw = path.read_bytes()[: LAYOUT_BYTES_MAX + 1]
    except OSError as error:
        raise BadLayout(f"the layout {path} cannot be read: {error.strerror}") from None
    if len(raw) > LAYOUT_BYTES_MAX:
        raise BadLayout(f"{path.name} is larger than {LAYOUT_BYTES_MAX:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
        return text, parse_layout(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadLayout(f"{path.name} line {line}: the text is not UTF-8") from None
    except LayoutError as error:
        raise BadLayout(f"{path.name} line {error.line}: {error.message}") from None


def _plan(
    feed: Feed,
    request: ImportRequest,
    layout: Layout,
    report: Report,
    now: datetime,
    *,
    weeks_before: int | None,
) -> tuple[Plan, Tariffs]:
    """What will run and for how much; what cannot be sold is in the report."""
    today = now.astimezone(zone_of(feed.timezone)).date()
    window = window_of(request.window_first, request.window_last, today=today)
    matrix = None if request.fares_csv is None else read_fares_csv(request.fares_csv, feed)
    plan = make_plan(
        feed,
        window,
        shift=request.shift,
        today=today,
        report=report,
        weeks_before=weeks_before,
    )
    try:
        tariffs = make_tariffs(
            feed,
            FareSource(request.currency, matrix, request.per_km),
            fare_map=request.fare_map,
            classes=layout.classes,
            patterns=list({trip.pattern.number: trip.pattern for trip in plan.trips}.values()),
            report=report,
        )
    except FareTableInvalid as error:
        raise BadFares(str(error)) from None
    sold = plan.only(
        lambda trip: trip.pattern.number in tariffs.sold_patterns, Code.NO_FARE, report
    )
    describe_plan(sold, tariffs, classes=layout.classes, payable=request.payable, report=report)
    return sold, tariffs
