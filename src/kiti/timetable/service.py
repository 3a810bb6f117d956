"""A GTFS feed becomes trips that can be sold: read, plan, price, write."""

from datetime import datetime
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
from kiti.timetable.report import Report
from kiti.timetable.tariffs import FareSource, Tariffs, make_tariffs
from kiti.timetable.writer import count_kept, write_network, write_trips

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

    Trips that are there already (same feed, code and service date) are left as they are and
    counted, so a second import never touches a sold seat. Written in many transactions: one that
    is cut off leaves whole trips, and is simply run again. A dry run writes nothing.

    Raises:
        ImportRefused: before anything is written; `NotAFeed`, `BadLayout` and `BadFares` say where.
    """
    _check(request)
    layout_text, layout = _read_layout(request.layout)
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
    if request.is_dry_run:
        await count_kept(db, plan, report, progress)
    elif plan.trips:
        written = await write_network(
            db,
            plan,
            tariffs,
            layout=layout,
            layout_text=layout_text,
            feed_name=request.feed,
            progress=progress,
        )
        await write_trips(db, plan, written, report, progress)
    return report


def _check(request: ImportRequest) -> None:
    if not 0 < len(request.feed) <= FEED_NAME_MAX or not request.feed.isprintable():
        raise ImportRefused(f"--feed: a name of 1 to {FEED_NAME_MAX} letters")
    if not is_currency(request.currency):
        raise BadFares(f"--currency {request.currency}: no ISO 4217 currency, as NGN or KES is")
    if (request.fares_csv is None) == (request.per_km is None):
        raise BadFares("give either --fares or --per-km with --minimum")


def _read_layout(path: Path) -> tuple[str, Layout]:
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
