"""Lets a later call overtake an earlier one: how replies and webhooks come out of order."""

import asyncio
from collections import defaultdict

from kiti.sandbox.clock import SandboxClock


class Turnstile:
    """Holds callers at a gate until another one has passed it."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._held: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)

    async def hold(self, gate: tuple[str, str], seconds_max: float) -> None:
        """Wait until somebody passes this gate, `seconds_max` at the most."""
        go = asyncio.Event()
        self._held[gate].add(go)
        self._clock.call_in(seconds_max, go.set)
        try:
            await go.wait()
        finally:
            self._held[gate].discard(go)

    def passed(self, gate: tuple[str, str]) -> None:
        """Somebody has: let go all who are held there."""
        for go in tuple(self._held[gate]):
            go.set()
