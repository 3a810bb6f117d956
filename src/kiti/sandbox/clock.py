"""The sandbox's clock: it can be moved forward, and does what has become due."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """The wall clock plus what it was advanced by. Lives in one event loop."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """The present instant here, aware, in UTC."""
        return datetime.now(UTC) + self._ahead  # noqa: TID251 - the product's clock is not ours to import

    def call_in(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this once `seconds` have passed on this clock, in the order of falling due."""
        due = self.now() + timedelta(seconds=seconds)
        heapq.heappush(self._due, (due, next(self._order), action))
        self._arm()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock: less, when it is advanced meanwhile."""
        if seconds > 0:
            over = asyncio.get_running_loop().create_future()
            self.call_in(seconds, lambda: _finish(over))
            await over

    def advance(self, seconds: float) -> None:
        """Move forward, and do at once all that is due by then."""
        self._ahead += timedelta(seconds=seconds)
        self._arm()

    def reset(self) -> None:
        """Back to the wall clock. What was still to come is done now, so that nobody waits on."""
        self._ahead = timedelta()
        waiting, self._due = sorted(self._due), []
        for _, _, action in waiting:
            action()

    def close(self) -> None:
        """Forget what is still to come."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            wait_s = max(0.0, (self._due[0][0] - self.now()).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        while self._due and self._due[0][0] <= self.now():
            _, _, action = heapq.heappop(self._due)
            action()
        self._arm()


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
