"""A clerk's spreadsheet becomes schedules, and these trips: compared first, then written."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from kiti.fares.model import FareKey, NewFareTable
from kiti.fares.service import put_fare_table
from kiti.network.model import NewCall, NewPattern, NewStop
from kiti.network.service import (
    PatternStop,
    list_pattern_stops,
    put_city,
    put_layout,
    put_operator,
    put_patterns,
    put_route,
    put_stops,
)
from kiti.platform.db import Conn, Database
from kiti.timetable.intake.draft import Draft, make_draft
from kiti.timetable.intake.model import SheetRequest
from kiti.timetable.intake.plan import PlannedDeparture
from kiti.timetable.intake.report import DepartureDays, SheetReport
from kiti.timetable.model import Progress, Window
from kiti.timetable.renewal.changes import Changes, TooManyRemovals, too_many
from kiti.timetable.renewal.engine import Wanted, bring_in_line, compare, feed_turn
from kiti.timetable.schedules.model import Replacement, Rule, Schedule
from kiti.timetable.schedules.service import (
    Running,
    find_replacement,
    next_dates,
    wanted_trips,
    write_replacement,
)
from kiti.timetable.service import no_progress

Answer = TypeVar("Answer")

_NO_ID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A draft as rules: what they replace, and the trips they make; `window` None: none yet.

    `next_on` are the next dates of each departure. `calls` are those of its patterns, which a draft
    that was only tried leaves nowhere else.
    """

    replacement: Replacement
    window: Window | None
    wanted: Wanted
    next_on: Sequence[tuple[date, ...]]
    calls: Mapping[UUID, tuple[PatternStop, ...]]


class _Undone(Exception):
    """Ends a transaction that was only tried."""


async def import_timetable(
    db: Database, request: SheetRequest, *, now: datetime, progress: Progress = no_progress
) -> SheetReport:
    """Make the files' departures the operator's schedules from a day on, and their trips.

    What they change is found first, and refused if more than half of the trips ahead would go; a
    dry run ends there. Then network, fares and schedules are written in one transaction, and the
    trips are brought in line: one that is cut off in between is finished by `make-trips`.

    Raises:
        ImportRefused: the files, a layout or the request is wrong; nothing was written.
        TooManyRemovals: as said, without `may_remove`; nothing was written.
        FeedBusy: another import of this feed is under way.
    """
    async with db.connection() as conn:
        draft = await make_draft(conn, request, now=now)
    tried = await _undone(db, partial(_write, draft))
    changes = Changes()
    if tried.window is not None:
        changes = await compare(
            db,
            draft.feed,
            window=tried.window,
            wanted=tried.wanted,
            calls_of=tried.calls.__getitem__,
            progress=progress,
        )
    refusal = too_many(changes) if changes.is_too_many and not request.may_remove else None
    if request.is_dry_run:
        return replace(_report(draft, tried, changes, is_dry_run=True), refusal=refusal)
    if refusal is not None:
        raise TooManyRemovals(refusal)
    async with feed_turn(db, draft.feed) as turn:
        written = await turn.run(partial(_write, draft))
        if written.window is not None:
            changes = await bring_in_line(
                turn,
                window=written.window,
                wanted=written.wanted,
                may_remove=True,
                progress=progress,
            )
    return _report(draft, written, changes, is_dry_run=False)


async def _undone(db: Database, work: Callable[[Conn], Awaitable[Answer]]) -> Answer:
    """What `work` answers, all that it wrote taken back."""
    answer: list[Answer] = []
    try:
        async with db.transaction() as conn:
            answer.append(await work(conn))
            raise _Undone
    except _Undone:
        return answer[0]


async def _write(draft: Draft, conn: Conn) -> _Outcome:
    """Write network, fares and schedules, each found again by its key."""
    operator = draft.operator
    operator_id = await put_operator(
        conn,
        code=operator.code,
        name=operator.name,
        timezone=operator.timezone,
        phone=operator.phone,
        sales_close_minutes=operator.sales_close_minutes,
    )
    stops = await _write_stops(conn, draft)
    layouts = {name: await put_layout(conn, text) for name, (text, _) in draft.layouts.items()}
    fare_table_id = await put_fare_table(
        conn,
        NewFareTable(
            name=draft.feed,
            currency=draft.currency,
            fares={
                FareKey(stops[origin], stops[destination], seat_class, kind): minor
                for (origin, destination, seat_class, kind), minor in draft.fares.items()
            },
        ),
    )
    patterns = await _write_patterns(conn, draft, operator_id, stops)
    rules = [
        Rule(
            code=one.code,
            operator_id=operator_id,
            pattern_id=pattern_id,
            layout_id=layouts[one.layout],
            fare_table_id=fare_table_id,
            calendar=one.calendar,
            departure_s=one.departure_s,
            timezone=one.timezone,
            sales_close_minutes=operator.sales_close_minutes,
        )
        for one, pattern_id in zip(draft.departures, patterns, strict=True)
    ]
    replacement = await find_replacement(conn, draft.feed, rules, draft.day)
    await write_replacement(conn, draft.feed, replacement, days_ahead=draft.days_ahead)
    return await _outcome(conn, draft, rules, replacement, layouts)


async def _outcome(
    conn: Conn,
    draft: Draft,
    rules: list[Rule],
    replacement: Replacement,
    layouts: Mapping[str, UUID],
) -> _Outcome:
    running = [
        Running(
            Schedule(_NO_ID, draft.feed, rule, draft.day, None),
            len(one.calls) - 1,
            one.country,
            draft.operator.code,
        )
        for rule, one in zip(rules, draft.departures, strict=True)
    ]
    next_on = await next_dates(conn, running, first=draft.day)
    drawn = {layout_id: draft.layouts[name][1] for name, layout_id in layouts.items()}
    last = draft.today + timedelta(days=draft.days_ahead - 1)
    window = Window(draft.day, last) if draft.day <= last else None
    wanted = await wanted_trips(
        conn, draft.feed, running, window or Window(draft.day, draft.day), layouts=drawn
    )
    calls = await list_pattern_stops(conn, {rule.pattern_id for rule in rules})
    return _Outcome(replacement, window, wanted, next_on, calls)


async def _write_stops(conn: Conn, draft: Draft) -> dict[str, UUID]:
    """Cities that are new and every stop; the stops' ids by code, those on file as well."""
    cities = {
        (city.country, city.name): await put_city(
            conn, name=city.name, country=city.country, timezone=city.timezone
        )
        for city in draft.places.new_cities
    }
    written = await put_stops(
        conn,
        [
            NewStop(
                feed=draft.feed,
                code=stop.code,
                name=stop.name,
                timezone=stop.timezone,
                city_id=stop.city.city_id or cities[stop.city.country, stop.city.name],
                latitude=stop.latitude,
                longitude=stop.longitude,
                landmark=stop.landmark,
            )
            for stop in draft.places.stops
        ],
    )
    return {code: stop_id for (_, code), stop_id in written.items()}


async def _write_patterns(
    conn: Conn, draft: Draft, operator_id: UUID, stops: Mapping[str, UUID]
) -> list[UUID]:
    """Routes and the departures' patterns; the patterns' ids in the departures' order."""
    routes = {
        line.code: await put_route(
            conn,
            operator_id=operator_id,
            feed=draft.feed,
            code=line.code,
            name=line.name,
            mode=line.mode,
        )
        for line in draft.lines
    }
    return await put_patterns(
        conn,
        [NewPattern(routes[one.line.code], _calls(one, stops)) for one in draft.departures],
    )


def _calls(one: PlannedDeparture, stops: Mapping[str, UUID]) -> tuple[NewCall, ...]:
    return tuple(
        NewCall(
            sequence=number,
            stop_id=stops[call.stop],
            arrival_s=call.arrival_s,
            departure_s=call.departure_s,
            pickup=call.pickup,
            drop_off=call.drop_off,
        )
        for number, call in enumerate(one.calls, start=1)
    )


def _report(draft: Draft, outcome: _Outcome, changes: Changes, *, is_dry_run: bool) -> SheetReport:
    return SheetReport(
        feed=draft.feed,
        day=draft.day,
        lines=len(draft.lines),
        departures=len(draft.departures),
        stops=len(draft.places.stops),
        new_stops=sum(stop.is_new for stop in draft.places.stops),
        new_cities=[f"{city.name} ({city.country})" for city in draft.places.new_cities],
        replacement=outcome.replacement,
        window=outcome.window,
        changes=changes,
        remarks=draft.remarks,
        is_dry_run=is_dry_run,
        days=[
            DepartureDays(one.code, one.departure_s, one.calendar.words(), dates)
            for one, dates in zip(draft.departures, outcome.next_on, strict=True)
        ],
    )
