"""A closed loop: so many connections, each sends its next request when the last is answered."""

import asyncio
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Final

import uvloop

from bench.figures import Run
from bench.wire import Answer, Broken, Connection, open_connection

Meter = Callable[[], dict[str, float]]
PATIENCE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """`requests` to `port` over `connections`, `seconds` long after `warm_s` of warming up.

    Every answer must have `status` (three digits). `meter` says the processor seconds so far of
    those at work, but for this process.
    """

    port: int
    requests: Iterator[bytes]
    status: bytes
    meter: Meter
    connections: int
    seconds: float
    warm_s: float


@dataclass(slots=True)
class _Window:
    """What is counted, from `began` on."""

    began: float = 0.0
    ended: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    cpu: dict[str, float] = field(default_factory=dict[str, float])


class _Loop:
    """The state of one closed loop while it runs."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._window = _Window()
        self._sent: dict[Connection, float] = {}
        self._is_over = False
        self._fault: str | None = None
        self._answered = asyncio.Event()
        self._first = asyncio.Event()
        self._all_done = asyncio.Event()

    async def run(self) -> Run:
        load = self._load
        connections: list[Connection] = []
        for _ in range(load.connections):
            connection = await open_connection(load.port, self._on_answer, self._on_lost)
            connections.append(connection)
            self._answered.clear()
            self._send(connection)
            await self._answered.wait()  # connections that come at once go to one process
        await self._pause(load.warm_s)
        self._begin()
        await self._pause(load.seconds)
        await self._first.wait()  # a machine that has other work still gives a figure
        self._end()
        async with asyncio.timeout(PATIENCE_S):
            await self._all_done.wait()
        for connection in connections:
            connection.close()
        if self._fault is not None:
            raise Broken(self._fault)
        window = self._window
        if not window.latencies:
            raise Broken("there were not enough requests to outlast the warming up")
        return Run(len(window.latencies), window.ended - window.began, window.latencies, window.cpu)

    async def _pause(self, seconds: float) -> None:
        """Until so many seconds have gone, or there is nothing left to send."""
        try:
            async with asyncio.timeout(seconds):
                await self._all_done.wait()
        except TimeoutError:
            return

    def _begin(self) -> None:
        self._window = _Window(cpu=self._cpu())
        self._window.began = perf_counter()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._first.set()
        window = self._window
        window.ended = perf_counter()
        window.cpu = {who: used - window.cpu.get(who, 0.0) for who, used in self._cpu().items()}
        if not self._sent:
            self._all_done.set()

    def _cpu(self) -> dict[str, float]:
        return self._load.meter() | {"client": process_time()}

    def _send(self, connection: Connection) -> None:
        request = None if self._is_over else next(self._load.requests, None)
        if request is None:
            self._end()
            if not self._sent:
                self._all_done.set()
            return
        self._sent[connection] = perf_counter()
        connection.send(request)

    def _on_lost(self, _: Connection) -> None:
        if self._sent:
            self._fault = self._fault or "the server ended a connection with a request under way"
            self._end()
            self._answered.set()
            self._all_done.set()

    def _on_answer(self, connection: Connection, answer: Answer) -> None:
        sent = self._sent.pop(connection)
        self._answered.set()
        if answer.status != self._load.status and self._fault is None:
            self._fault = f"{answer.status.decode()}: {answer.body[:500].decode(errors='replace')}"
            self._end()
        if not self._is_over and self._window.began:
            self._window.latencies.append(perf_counter() - sent)
            self._first.set()
        self._send(connection)


def run(load: Load) -> Run:
    """Make the load; what came of it.

    Raises:
        Broken: an answer had another status, or a connection ended.
    """

    async def main() -> Run:
        return await _Loop(load).run()

    return uvloop.run(main())
