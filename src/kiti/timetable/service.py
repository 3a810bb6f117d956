"""A GTFS feed becomes trips that can be sold: read, plan, price, write."""

from datetime import datetime
from functools import partial
from pathlib import Path

from kiti.fares.model import FareTableInvalid
from kiti.network.layout import Layout, LayoutError, parse_layout
from kiti.network.times import zone_of
from kiti.platform.db import Database
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
    window_of,
)
from kiti.timetable.planner import Plan, make_plan
from kiti.timetable.preview import describe_plan
from kiti.timetable.remarks import Code
from kiti.timetable.renewal.changes import TooManyRemovals, too_many
from kiti.timetable.renewal.engine import bring_in_line, compare, feed_turn
from kiti.timetable.report import Report
from kiti.timetable.schedules.store import find_feed
from kiti.timetable.tariffs import FareSource, Tariffs, make_tariffs
from kiti.timetable.writer import LOOKING, WRITING, trips_on, write_network

LAYOUT_BYTES_MAX = 256 * 1024


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
    layout_text, layout = read_layout(request.layout)
    report = Report(request.feed, is_dry_run=request.is_dry_run)
    feed = read_feed(
        request.file,
        report,
        ignores_pickup_types=request.ignores_pickup_types,
        progress=lambda name, rows: progress(f"reading {name}", rows, 0),
    )
    plan, tariffs = _plan(feed, request, layout, report, now)
    for text in report.warnings:
        warn(text)
    layouts = (layout_text, layout)
    if request.is_dry_run:
        await _rehearse(db, request, (plan, tariffs, layouts), report, progress)
    else:
        await _renew(db, request, (plan, tariffs, layouts), report, progress)
    return report


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
    report.changes = await compare(
        db,
        request.feed,
        window=plan.window,
        wanted=partial(trips_on, plan, written, request.feed),
        progress=progress,
        total=report.runs_planned,
    )
    if report.changes.is_too_many and not request.may_remove:
        report.warnings.append(f"{too_many(report.changes)}: a real run refuses this")


async def _renew(
    db: Database, request: ImportRequest, ware: _Ware, report: Report, progress: Progress
) -> None:
    """Write it; when too many trips would go, refuse instead, and say so in the report."""
    plan, tariffs, layout = ware
    async with feed_turn(db, request.feed) as turn:
        written = await write_network(
            turn,
            plan,
            tariffs,
            pen=WRITING if plan.trips else LOOKING,
            layout=layout,
            feed_name=request.feed,
            progress=progress,
        )
        try:
            report.changes = await bring_in_line(
                turn,
                window=plan.window,
                wanted=partial(trips_on, plan, written, request.feed),
                may_remove=request.may_remove,
                progress=progress,
                total=report.runs_planned,
            )
        except TooManyRemovals as refused:
            report.refusal = str(refused)


def _check(request: ImportRequest) -> None:
    if not 0 < len(request.feed) <= FEED_NAME_MAX or not request.feed.isprintable():
        raise ImportRefused(f"--feed: a name of 1 to {FEED_NAME_MAX} letters")
    if not is_currency(request.currency):
        raise BadFares(f"--currency {request.currency}: no ISO 4217 currency, as NGN or KES is")
    if (request.fares_csv is None) == (request.per_km is None):
        raise BadFares("give either --fares or --per-km with --minimum")


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
    feed: Feed, request: ImportRequest, layout: Layout, report: Report, now: datetime
) -> tuple[Plan, Tariffs]:
    """What will run and for how much; what cannot be sold is in the report."""
    today = now.astimezone(zone_of(feed.timezone)).date()
    window = window_of(request.window_first, request.window_last, today=today)
    matrix = None if request.fares_csv is None else read_fares_csv(request.fares_csv, feed)
    plan = make_plan(feed, window, shift=request.shift, today=today, report=report)
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
