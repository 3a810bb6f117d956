"""Waiting without sleeping: on a condition that something else brings about, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

LOOK_AGAIN_S = 0.01


async def until(check: Callable[[], Awaitable[object]], *, seconds: float = 15) -> None:
    """Return once `check` answers something true; TimeoutError after `seconds`."""
    never = asyncio.Event()
    async with asyncio.timeout(seconds):
        while not await check():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await never.wait()
