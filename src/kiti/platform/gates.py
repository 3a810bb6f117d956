"""Gates before what only few can do at once: the rest wait outside, shortly, and hold nothing.

A row that somebody keeps locked would otherwise hold up a connection for each who wants it, until
none is left for anybody else.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from kiti.platform.errors import DomainError, Overloaded, Unavailable

_TICKS = 10  # of the patience


@dataclass(slots=True)
class Gate:
    """One key's. `still`: ticks since one came out well; `waiting`: with the tick they came at."""

    key: Hashable
    inside: int = 0
    now: int = 0
    still: int = 0
    waiting: deque[tuple[int, "asyncio.Future[None]"]] = field(
        default_factory=deque[tuple[int, "asyncio.Future[None]"]]
    )
    ticking: asyncio.TimerHandle | None = None


class Gates:
    """A gate for each key: `at_once` are let in, first come first served.

    When nobody has come out well for `patience_s`, all who wait are refused, and who comes then is
    at once; so is who has waited three times as long, and who finds `waiting_max` there. Time is
    counted in ticks of the loop: while the process itself is too busy to look, nobody is late.
    """

    def __init__(self, *, at_once: int, patience_s: float = 1.0, waiting_max: int = 5000) -> None:
        self._at_once = at_once
        self._tick_s = patience_s / _TICKS
        self._waiting_max = waiting_max
        self._gates: dict[Hashable, Gate] = {}

    @asynccontextmanager
    async def within(self, key: Hashable) -> AsyncGenerator[None]:
        """Be inside the key's gate for the length of the block.

        Raises:
            Overloaded: as `enter`.
        """
        gate = await self.enter(key)
        try:
            yield
        except BaseException as error:
            self.leave(gate, error)
            raise
        self.leave(gate, None)

    async def enter(self, key: Hashable) -> Gate:
        """Go in; the caller leaves the gate by `leave`.

        Raises:
            Overloaded: it was not let in.
        """
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = Gate(key)
        if gate.inside < self._at_once:
            gate.inside += 1
        else:
            await self._wait(gate)
        return gate

    def leave(self, gate: Gate, error: BaseException | None) -> None:
        """Come out, by `error` or well; a refusal that is not our own fault is well too."""
        is_refusal = isinstance(error, DomainError) and not isinstance(error, Unavailable)
        if error is None or is_refusal:
            gate.still = 0
        self._pass_on(gate)

    async def _wait(self, gate: Gate) -> None:
        if gate.still >= _TICKS or len(gate.waiting) >= self._waiting_max:
            raise Overloaded(retry_after_s=1)
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        place = (gate.now, turn)
        gate.waiting.append(place)
        if gate.ticking is None:
            gate.ticking = loop.call_later(self._tick_s, self._tick, gate, loop)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self._pass_on(gate)  # let in at the moment of giving up
            with suppress(ValueError):
                gate.waiting.remove(place)
            raise

    def _tick(self, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
        """Time has passed at a gate where somebody has had to wait."""
        gate.now += 1
        gate.still += 1
        is_stuck = gate.still >= _TICKS
        while gate.waiting and (is_stuck or gate.now - gate.waiting[0][0] >= 3 * _TICKS):
            _, turn = gate.waiting.popleft()
            if not turn.done():
                turn.set_exception(Overloaded(retry_after_s=1))
        gate.ticking = loop.call_later(self._tick_s, self._tick, gate, loop)

    def _pass_on(self, gate: Gate) -> None:
        """Give the place to the next who waits; else it is free."""
        while gate.waiting:
            _, turn = gate.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        gate.inside -= 1
        if gate.inside == 0:
            del self._gates[gate.key]
            if gate.ticking is not None:
                gate.ticking.cancel()
