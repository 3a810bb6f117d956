"""Whole sales a second: reserve, initiate, pay, signed webhook, verification, ticket."""

import asyncio
import json
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, product
from time import perf_counter, process_time
from typing import Any, Final
from uuid import UUID

import asyncpg
import uvloop

from bench import store
from bench.figures import Goal, Run, Table
from bench.ground import Ground
from bench.plan import Plan
from bench.processors import used_by
from bench.servers import (
    HOST,
    SANDBOX,
    WORKER,
    Site,
    free_port,
    process,
    site,
    wait_until_ready,
)
from bench.stage import Stage
from bench.wire import Answer, Broken, Connection, head, open_connection, whole
from kiti.app.secrets import with_sandbox
from kiti.booking.routes import RESERVE
from kiti.checkout.routes_payments import PATH as INITIATE
from kiti.platform.db import Conn

PROCESSES: Final = (1, 2)
TITLE: Final = "Whole sales: reserve, initiate, webhook, verify, ticket"
WANTED: Final = 530.0
LOOK_S: Final = 0.01
PATIENCE_S: Final = 30.0
PAY: Final = b"action=pay"
FORM: Final = "application/x-www-form-urlencoded"
NOTE: Final = (
    "The server, the worker and the database are Kiti's; the sandbox stands for the gateway and the"
    " passenger's page there. A sale's latency ends when its ticket is seen in the database, where"
    " the client looks every 10 ms."
)


@dataclass(frozen=True, slots=True)
class _Shop:
    """Everything a sale needs: the web server, the worker and the simulated gateway."""

    site: Site
    worker: int
    sandbox: int
    sandbox_port: int


def measure(stage: Stage) -> Table:
    """One seat over all legs each."""
    ground, plan = stage.ground, stage.plan
    table = Table(
        TITLE,
        "sales",
        goals=[Goal(_figure(n), WANTED, "IRCTC's record") for n in PROCESSES],
        notes=[NOTE],
    )
    stage.sites.close()
    for number in PROCESSES:
        with _open_shop(ground, number) as shop:
            for _ in plan.rounds(f"{TITLE}, {_figure(number)}"):
                ground.empty()
                table.add(_figure(number), uvloop.run(_Rush(ground, plan, shop).run()))
    return table


def _figure(processes: int) -> str:
    return f"{processes} web, 1 worker"


@contextmanager
def _open_shop(ground: Ground, processes: int) -> Generator[_Shop]:
    port = free_port()
    settings = with_sandbox(ground.settings, sandbox_url=f"http://{HOST}:{port}")
    with site(ground, processes=processes, settings=settings) as web:
        settings = settings.model_copy(update={"app_url": f"http://{HOST}:{web.port}"})
        argv = (*SANDBOX, HOST, f"{port}")
        with (
            process(ground, settings, argv) as sandbox,
            process(ground, settings, WORKER) as worker,
        ):
            wait_until_ready(sandbox, port, path="/healthz")
            yield _Shop(web, worker.pid, sandbox.pid, port)


@dataclass(slots=True)
class _Rush:
    """Buyers who each buy a seat, wait for the ticket, and buy the next."""

    ground: Ground
    plan: Plan
    shop: _Shop
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    waiting: dict[UUID, asyncio.Event] = field(default_factory=dict[UUID, asyncio.Event])
    first: asyncio.Event = field(default_factory=asyncio.Event)
    is_counting: bool = False
    is_over: bool = False

    async def run(self) -> Run:
        conn = await asyncpg.connect(self.ground.dsn)
        wishes = self._wishes()
        try:
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._look(conn))
                buyers = [
                    group.create_task(self._buy(wishes)) for _ in range(self.plan.connections)
                ]
                await asyncio.sleep(2 * self.plan.warm_s)
                before, began = self._used(), perf_counter()
                self.is_counting = True
                await asyncio.sleep(self.plan.seconds)
                await self.first.wait()  # a machine that has other work still gives a figure
                self.is_counting = False
                elapsed, after = perf_counter() - began, self._used()
                self.is_over = True
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.wait(buyers)
                looking.cancel()
        except ExceptionGroup as failed:
            broken = failed.subgroup(Broken)
            if broken is None:
                raise
            raise Broken(f"{broken.exceptions[0]}") from None
        finally:
            await conn.close()
        cpu = {who: after[who] - before[who] for who in after}
        return Run(len(self.latencies), elapsed, self.latencies, cpu)

    def _wishes(self) -> Iterator[tuple[str, bytes]]:
        """Whose token, and the body of a reservation: a free seat each time."""
        tokens = cycle(self.ground.tokens())
        seats = [seat.label for seat in self.ground.sheet.layout.seats]
        for label, trip_id in product(seats, self.ground.trips):
            wish = {"tripId": str(trip_id), "seatNumbers": [label]}
            yield next(tokens), json.dumps(wish).encode()

    async def _buy(self, wishes: Iterator[tuple[str, bytes]]) -> None:
        kiti = await open_connection(self.shop.site.port)
        gateway = await open_connection(self.shop.sandbox_port)
        for token, wish in wishes:
            if self.is_over:
                break
            began = perf_counter()
            sold = await self._sell(kiti, gateway, token, wish)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await sold.wait()
            except TimeoutError:
                raise Broken(f"paid, and no ticket within {PATIENCE_S:.0f} s") from None
            if self.is_counting:
                self.latencies.append(perf_counter() - began)
                self.first.set()
        kiti.close()
        gateway.close()

    async def _sell(
        self, kiti: Connection, gateway: Connection, token: str, wish: bytes
    ) -> asyncio.Event:
        """Do what a passenger does; the event is set once there is a ticket."""
        held = _json(await kiti.call(whole(head("POST", RESERVE, token=token), wish)))
        body = {
            "bookingId": held["bookingId"],
            "amount": held["total"]["amount"],
            "paymentMethod": "CARD",
            "idempotencyKey": held["bookingId"],
        }
        start = head("POST", INITIATE, token=token)
        begun = _json(await kiti.call(whole(start, json.dumps(body).encode())))
        sold = self.waiting[UUID(held["bookingId"])] = asyncio.Event()
        link: str = begun["redirectUrl"] or ""
        page = "/" + link.split("/", 3)[-1]
        paid = await gateway.call(whole(head("POST", page, media_type=FORM), PAY))
        if paid.status != b"303":
            raise Broken(f"the sandbox answered {paid.status.decode()}")
        return sold

    async def _look(self, conn: Conn) -> None:
        """Look which of those that wait have their ticket."""
        while True:
            if self.waiting:
                for booking_id in await store.list_ticketed(conn, booking_ids=list(self.waiting)):
                    self.waiting.pop(booking_id).set()
            await asyncio.sleep(LOOK_S)

    def _used(self) -> dict[str, float]:
        return {
            "server": self.shop.site.used_s(),
            "worker": used_by([self.shop.worker]),
            "database": self.ground.database_s(),
            "sandbox": used_by([self.shop.sandbox]),
            "client": process_time(),
        }


def _json(answer: Answer) -> Any:  # noqa: ANN401  # JSON
    if answer.status != b"201":
        raise Broken(f"{answer.status.decode()}: {answer.body[:500].decode(errors='replace')}")
    return json.loads(answer.body)
