"""A gate: who is let in, who waits, who is refused, and what a caller that is cancelled leaves."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

from kiti.platform.errors import Conflict, DatabaseUnavailable, DomainError, Overloaded
from kiti.platform.gates import Gates


class Inside:
    """One who is inside until told to go, in the way that he is told."""

    def __init__(self, gates: Gates, key: str = "trip") -> None:
        self.came = asyncio.Event()
        self._go = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._stay(gates, key))

    async def _stay(self, gates: Gates, key: str) -> None:
        async with gates.within(key):
            self.came.set()
            await self._go

    async def leave(self, error: Exception | None = None) -> None:
        if error is None:
            self._go.set_result(None)
        else:
            self._go.set_exception(error)
        await asyncio.gather(self.task, return_exceptions=True)


async def rounds(n: int = 5) -> None:
    """Let every task that can go on go on."""
    loop = asyncio.get_running_loop()
    for _ in range(n):
        passed = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed


async def test_so_many_are_inside_and_the_next_comes_in_as_one_leaves() -> None:
    gates = Gates(at_once=2, patience_s=30)
    all_of_them = [Inside(gates) for _ in range(4)]
    await rounds()
    assert [one.came.is_set() for one in all_of_them] == [True, True, False, False]
    await all_of_them[1].leave()
    await rounds()
    assert [one.came.is_set() for one in all_of_them] == [True, True, True, False]
    for one in all_of_them:
        await rounds()
        if not one.task.done():
            await one.leave()
    assert gates._gates == {}  # nothing is kept of who has gone


async def test_each_key_has_its_own_gate() -> None:
    gates = Gates(at_once=1, patience_s=30)
    one, other = Inside(gates, "a"), Inside(gates, "b")
    await rounds()
    assert one.came.is_set()
    assert other.came.is_set()
    await one.leave()
    await other.leave()


async def test_who_waits_too_long_is_refused_and_while_nobody_moves_all_are_at_once() -> None:
    gates = Gates(at_once=1, patience_s=0.1)
    stuck = Inside(gates)
    await rounds()
    with pytest.raises(Overloaded) as refused:
        async with asyncio.timeout(10), gates.within("trip"):
            pass
    assert refused.value.retry_after_s == 1
    at_once = Inside(gates)
    await rounds()
    assert isinstance(at_once.task.exception(), Overloaded)
    await stuck.leave()
    async with gates.within("trip"):
        pass


async def test_a_process_that_is_too_busy_to_look_makes_nobody_late() -> None:
    """Buyers who came while the loop was held up longer than the patience are let in after all."""
    gates = Gates(at_once=1, patience_s=0.05)
    inside, waiting = Inside(gates), Inside(gates)
    await rounds()
    Event().wait(0.3)  # the whole loop stands still
    await inside.leave()
    await rounds()
    assert waiting.came.is_set()
    await waiting.leave()


async def test_twin_a_deadline_of_the_clock_refuses_them() -> None:
    inside = asyncio.Lock()
    await inside.acquire()
    waiting = asyncio.create_task(asyncio.wait_for(inside.acquire(), 0.05))
    await rounds()
    Event().wait(0.3)
    asyncio.get_running_loop().call_later(0.01, inside.release)
    with pytest.raises(TimeoutError):
        await waiting


async def test_more_than_so_many_do_not_wait() -> None:
    gates = Gates(at_once=1, patience_s=30, waiting_max=1)
    inside, waiting = Inside(gates), Inside(gates)
    await rounds()
    with pytest.raises(Overloaded):
        async with gates.within("trip"):
            pass
    await inside.leave()
    await rounds()
    await waiting.leave()


@pytest.mark.parametrize(
    ("error", "moves"),
    [
        (Conflict, True),
        (lambda: DatabaseUnavailable(retry_after_s=1), False),
        (lambda: RuntimeError("a bug"), False),
    ],
)
async def test_a_refusal_comes_through_as_well_a_failure_does_not(
    error: Callable[[], DomainError], *, moves: bool
) -> None:
    gates = Gates(at_once=2, patience_s=0.1)
    one, other, early = Inside(gates), Inside(gates), Inside(gates)
    await asyncio.wait((early.task,), timeout=10)  # nobody moves until he is refused
    assert isinstance(early.task.exception(), Overloaded)
    await one.leave(error())
    third = Inside(gates)
    await rounds()
    assert third.came.is_set()
    waiting = Inside(gates)
    await rounds()
    assert waiting.task.done() is not moves  # refused at once, or it waits
    if not moves:
        assert isinstance(waiting.task.exception(), Overloaded)
    await other.leave()
    await third.leave()
    await rounds()
    if waiting.came.is_set():
        await waiting.leave()


@pytest.mark.parametrize("when", ["waiting", "let in"])
async def test_a_cancelled_caller_leaves_his_place_to_the_next(when: str) -> None:
    gates = Gates(at_once=1, patience_s=30)
    inside, cancelled, next_one = Inside(gates), Inside(gates), Inside(gates)
    await rounds()
    if when == "waiting":
        cancelled.task.cancel()
        await rounds()
        await inside.leave()
    else:  # at the moment in which the place is given to him
        leaving = asyncio.create_task(inside.leave())
        await asyncio.wait((inside.task,))
        cancelled.task.cancel()
        await leaving
    await rounds()
    assert cancelled.task.cancelled()
    assert next_one.came.is_set()
    await next_one.leave()
    assert gates._gates == {}
