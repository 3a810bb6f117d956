"""Webhooks on their way: real POSTs, tried again a few times, late or lost when a fault says so."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from kiti.sandbox.clock import SandboxClock
from kiti.sandbox.faults import Fault
from kiti.sandbox.sender import Sender, SendFailed
from kiti.sandbox.turnstile import Turnstile

KEPT_MAX: Final = 20_000
_CONNECTIONS_MAX: Final = 64
# What the gateways give the merchant to answer.
_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message for the merchant, signed. `retries_s`: the waits before each further try.

    `sign` gives headers to each try that are made anew, when a signature tells the time.
    """

    gateway: str
    event: str
    reference: str | None
    url: str
    headers: dict[str, str]
    body: bytes
    retries_s: tuple[float, ...]
    sign: Callable[[], dict[str, str]] = dict


@dataclass(frozen=True, slots=True)
class Try:
    """One POST and what came of it: an HTTP status, or why there was none."""

    at: datetime
    status: int | None
    error: str | None


@dataclass(slots=True)
class Delivery:
    """A webhook and its tries so far. `delivered` means that a try got exactly 200."""

    delivery_id: int
    webhook: Webhook
    created_at: datetime
    state: Literal["waiting", "delivered", "failed", "dropped"] = "waiting"
    tries: list[Try] = field(default_factory=list[Try])


class Deliveries:
    """Sends webhooks in the background; never makes a caller wait."""

    def __init__(self, clock: SandboxClock, turnstile: Turnstile) -> None:
        self._clock = clock
        self._turnstile = turnstile
        self._ids = itertools.count(1)
        self._kept: deque[Delivery] = deque(maxlen=KEPT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender = Sender(connections_max=_CONNECTIONS_MAX, timeout_s=_TIMEOUT_S)

    async def close(self) -> None:
        """Give up what is under way."""
        await self.clear()
        self._sender.close()

    async def clear(self) -> None:
        """Give up what is under way and forget what was."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()

    def send(self, webhook: Webhook, fault: Fault | None = None) -> None:
        """Put this webhook on its way, bent by the fault if there is one."""
        kind = fault.kind if fault else None
        copies = fault.order.copies if fault and kind == "duplicate" else 1
        for _ in range(copies):
            delivery = Delivery(next(self._ids), webhook, self._clock.now())
            self._kept.append(delivery)
            if kind == "drop":
                delivery.state = "dropped"
                continue
            task = asyncio.create_task(self._deliver(delivery, fault))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def kept(self, *, reference: str | None, limit: int) -> list[Delivery]:
        """The deliveries kept, oldest first, the last `limit` of them; None means of any."""
        fitting = [d for d in self._kept if reference in {None, d.webhook.reference}]
        return fitting[-limit:]

    async def _deliver(self, delivery: Delivery, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        gate = (delivery.webhook.gateway, "webhook")
        if fault and kind == "delay":
            await self._clock.sleep(fault.delay_s)
        if fault and kind == "reorder":
            await self._turnstile.hold(gate, fault.delay_s)
        is_lost = kind in {"lose_reply", "error_after"}
        for wait_s in (0, *delivery.webhook.retries_s):
            await self._clock.sleep(wait_s)
            outcome = await self._post(delivery.webhook)
            if is_lost:
                outcome = Try(outcome.at, None, "the answer was lost")
                is_lost = False
            delivery.tries.append(outcome)
            self._turnstile.passed(gate)
            if outcome.status == 200:
                delivery.state = "delivered"
                return
        delivery.state = "failed"

    async def _post(self, webhook: Webhook) -> Try:
        at = self._clock.now()
        try:
            headers = webhook.headers | webhook.sign()
            status = await self._sender.post(webhook.url, headers, webhook.body)
        except SendFailed as failed:
            return Try(at, None, str(failed))
        return Try(at, status, None)
