"""Which handler runs which kind of job, and what returns by the clock."""

from collections.abc import Mapping, Sequence

from kiti.booking.sweeping import expire_seats
from kiti.checkout import jobs as paying
from kiti.checkout.till import Till
from kiti.jobs.model import Handler, NamedJob
from kiti.platform.idempotency import cleanup_idempotency
from kiti.timetable.jobs import make_trips


def handlers_of(till: Till) -> Mapping[str, Handler]:
    """The handler of each kind of job."""
    return paying.handlers(till)


def jobs_of(till: Till) -> Sequence[NamedJob]:
    """The named jobs with their schedules, in UTC."""
    return [
        NamedJob("expire-seats", "every 5s", expire_seats),
        NamedJob("cleanup-idempotency", "17 3 * * *", cleanup_idempotency),
        NamedJob("make-trips", "30 2 * * *", make_trips),
        *paying.named_jobs(till),
    ]
