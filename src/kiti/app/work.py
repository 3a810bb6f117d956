"""Which handler runs which kind of job, and what returns by the clock."""

from collections.abc import Mapping, Sequence

from kiti.booking.service import expire_seats
from kiti.checkout import jobs as checkout
from kiti.checkout.till import Till
from kiti.config import Settings
from kiti.jobs.model import Handler, NamedJob
from kiti.platform.idempotency import cleanup_idempotency


def handlers_of(till: Till) -> Mapping[str, Handler]:
    """The handler of each kind of job."""
    return checkout.handlers(till)


def jobs_of(settings: Settings, till: Till) -> Sequence[NamedJob]:
    """The named jobs with their schedules, in UTC."""
    return [
        NamedJob("expire-seats", "every 5s", expire_seats),
        NamedJob("cleanup-idempotency", "17 3 * * *", cleanup_idempotency),
        *checkout.named_jobs(till),
    ]
