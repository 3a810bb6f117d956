"""What all simulated gateways share, and how a fault bends one of their calls."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.clock import SandboxClock
from kiti.sandbox.deliveries import Deliveries
from kiti.sandbox.faults import Call, Fault, FaultPlan
from kiti.sandbox.replies import CutConnection
from kiti.sandbox.settings import SandboxSettings
from kiti.sandbox.turnstile import Turnstile

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Core:
    """The shared parts, made once a sandbox. `calls` counts arrivals by gateway and call."""

    settings: SandboxSettings
    clock: SandboxClock
    faults: FaultPlan
    turnstile: Turnstile
    deliveries: Deliveries
    calls: Counter[tuple[str, str]]

    @classmethod
    def make(cls, settings: SandboxSettings) -> "Core":
        """All parts, fresh."""
        clock = SandboxClock()
        turnstile = Turnstile(clock)
        deliveries = Deliveries(clock, turnstile)
        return cls(settings, clock, FaultPlan(), turnstile, deliveries, Counter())


class Gateway(Protocol):
    """One simulated gateway, as the server and the control routes know it."""

    @property
    def name(self) -> str:
        """As in orders for faults: `flutterwave`."""
        ...

    def routes(self) -> Sequence[Route]:
        """Its API, its hosted page, and controls of its own under `/control/{name}/`."""
        ...

    def payments(self, *, reference: str | None, limit: int) -> list[dict[str, object]]:
        """What was created and what was paid, the newest `limit`; None means any reference."""
        ...

    def reset(self) -> None:
        """Forget everything but the ids used: they never come again."""
        ...

    def summary(self) -> str:
        """One line for the person who starts the sandbox."""
        ...


async def misbehave(
    core: Core,
    gate: tuple[str, Call],
    fault: Fault | None,
    *,
    effect: Callable[[], Response],
    failure: Response,
) -> Response:
    """Run the call's effect, and bend when it happens and whether its answer arrives.

    `failure` is the gateway's own 503. What bends the answer's content (a wrong amount, say) is
    the effect's business.
    """
    kind = fault.kind if fault else None
    if kind == "drop":
        return CutConnection()
    if fault and kind == "reorder":
        await core.turnstile.hold(gate, fault.delay_s)
    reply = effect()
    core.turnstile.passed(gate)
    if fault and kind == "delay":
        await core.clock.sleep(fault.delay_s)
    if kind == "lose_reply":
        return CutConnection()
    return failure if kind == "error_after" else reply
