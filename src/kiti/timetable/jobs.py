"""The timetable's jobs."""

from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.timetable.demo.service import refresh_demo


async def make_trips(db: Database) -> int:
    """Make the trips of the days ahead, where schedules make trips; how many are new.

    Today that is the demo network, where it is loaded.
    """
    return await refresh_demo(db, today=utc_now().date())
