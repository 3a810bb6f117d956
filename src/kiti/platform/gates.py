"""Gates before what only few can do at once: the rest wait outside, shortly, and hold nothing.

A row that somebody keeps locked would otherwise hold up a connection for each who wants it, until
none is left for anybody else.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from kiti.platform.clock import monotonic_s
from kiti.platform.errors import DomainError, Overloaded, Unavailable


@dataclass(slots=True)
class Gate:
    """One key's. `moved_at_s`: when somebody last came out well, or the gate was first used."""

    key: Hashable
    moved_at_s: float
    inside: int = 0
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque["asyncio.Future[None]"])


class Gates:
    """A gate for each key: `at_once` are let in, first come first served.

    Who waits is refused after `patience_s`, at once when nobody has come out well for as long, or
    when `waiting_max` wait already.
    """

    def __init__(self, *, at_once: int, patience_s: float = 1.0, waiting_max: int = 1000) -> None:
        self._at_once = at_once
        self._patience_s = patience_s
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
            gate = self._gates[key] = Gate(key, monotonic_s())
        if gate.inside < self._at_once:
            gate.inside += 1
        else:
            await self._wait(gate)
        return gate

    def leave(self, gate: Gate, error: BaseException | None) -> None:
        """Come out, by `error` or well; a refusal that is not our own fault is well too."""
        is_refusal = isinstance(error, DomainError) and not isinstance(error, Unavailable)
        if error is None or is_refusal:
            gate.moved_at_s = monotonic_s()
        self._pass_on(gate)

    async def _wait(self, gate: Gate) -> None:
        is_stuck = monotonic_s() - gate.moved_at_s > self._patience_s
        if is_stuck or len(gate.waiting) >= self._waiting_max:
            raise Overloaded(retry_after_s=1)
        turn = asyncio.get_running_loop().create_future()
        gate.waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # let in at the moment of giving up
                self._pass_on(gate)
            else:
                with suppress(ValueError):
                    gate.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Overloaded(retry_after_s=1) from None
            raise

    def _pass_on(self, gate: Gate) -> None:
        """Give the place to the next who waits; else it is free."""
        while gate.waiting:
            turn = gate.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        gate.inside -= 1
        if gate.inside == 0:
            del self._gates[gate.key]
