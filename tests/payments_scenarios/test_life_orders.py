"""Every order of what can happen to a payment ends in the seat or the money, the books balanced."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kiti.ledger.journal import export_journal
from kiti.platform.clock import utc_now
from payments_scenarios.life import EVENTS, Lives
from payments_site import Site

GATEWAYS = ("flutterwave", "stripe")
# All orders of `pay` and so many other events; beyond them hypothesis draws.
OTHERS_MAX = 2
LONG = st.lists(st.sampled_from(("pay", "pay", *EVENTS)), min_size=4, max_size=12)


def orders() -> Iterator[tuple[str, ...]]:
    for n in range(OTHERS_MAX + 1):
        for others in itertools.combinations(EVENTS, n):
            yield from itertools.permutations(("pay", *others))


@pytest.mark.slow
@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_every_order_ends_in_a_seat_or_a_refund(both: Site, gateway: str) -> None:
    lives = Lives(both, gateway)
    for order in orders():
        await lives.live(order)
    await lives.end()
    ends = {life.model.status for life in lives.lives}
    assert ends == {"HELD", "EXPIRED", "RELEASED", "CONFIRMED", "CANCELLED"} - {"HELD"}
    assert len(lives.lives) == 235


@pytest.mark.slow
@pytest.mark.parametrize("gateway", GATEWAYS)
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate,),  # what fails names its order: there is no need to make it shorter
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(LONG, min_size=8, max_size=8))
async def test_longer_orders_too(both: Site, gateway: str, batch: list[list[str]]) -> None:
    """Storms of up to twelve events, also the same again and again."""
    lives = Lives(both, gateway)
    for order in batch:
        await lives.live(order)
    await lives.end()


@pytest.mark.slow
async def test_scenario_51_the_books_of_a_storm_are_right_by_another_tool(
    both: Site, tmp_path: Path
) -> None:
    """What the ledger exports after random events at both gateways, added up by beancount."""
    storm = list(itertools.islice(itertools.permutations(("pay", *EVENTS)), 0, 3_000_000, 60_000))
    for gateway in GATEWAYS:
        lives = Lives(both, gateway)
        for order in storm:
            await lives.live(order)
        await lives.end()
    async with both.db.connection() as conn, conn.transaction(isolation="repeatable_read"):
        text = "".join([piece async for piece in export_journal(conn, until=utc_now())])
    assert text.count(" * ") > 100
    journal = tmp_path / "kiti.beancount"
    journal.write_text(text, encoding="utf-8")
    done = await asyncio.to_thread(
        subprocess.run,
        [Path(sys.executable).with_name("bean-check"), "--no-cache", journal],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    totals = await both.rows(
        "SELECT e.currency, sum(p.amount_minor) FROM ledger_posting AS p"
        " JOIN ledger_entry AS e USING (entry_id, trip_id) GROUP BY e.currency"
    )
    assert totals == [("NGN", 0)]
