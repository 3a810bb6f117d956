"""The timetable's jobs."""

import structlog

from kiti.network.popular import measure_network
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.renewal.changes import FeedBusy, Kind
from kiti.timetable.schedules.service import list_feeds, make_trips_of
from kiti.timetable.service import no_progress


async def make_trips(db: Database) -> int:
    """Make the trips of the days ahead, of every schedule; how many are new or changed.

    A feed that is being imported is passed over: the import makes its trips itself.
    """
    log = structlog.get_logger("kiti.timetable")
    # Today in UTC: no zone of a market served is far from it, and trips that left stay as they are.
    today = utc_now().date()
    made = 0
    for row in await list_feeds(db):
        try:
            changes = await make_trips_of(
                db, row.feed, days_ahead=row.days_ahead, today=today, progress=no_progress
            )
        except FeedBusy:
            log.info("make_trips_busy", feed=row.feed)
            continue
        made += changes.count(Kind.NEW) + changes.count(Kind.CHANGED) + changes.count(Kind.RETURNED)
        if flagged := changes.count(Kind.FLAGGED) + changes.count(Kind.FLAGGED_GONE):
            log.warning("make_trips_review", feed=row.feed, flagged=flagged)
    await measure_network(db)
    return made
