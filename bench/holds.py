"""Holds a second over HTTP, beside `pgbench` on the same function and a route that is empty."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final

from bench import empty, pgbench
from bench.figures import Ratio, Table
from bench.ground import LEGS, Ground
from bench.servers import EMPTY
from bench.stage import Stage
from bench.wire import head, whole
from kiti.booking.routes import RESERVE

PROCESSES: Final = (1, 2)
PGBENCH: Final = f"`pgbench`, {pgbench.CLIENTS} clients"
AS_QUICK: Final = 1.0
NEARLY_EMPTY: Final = 0.6


def one_seat(stage: Stage) -> Table:
    """A seat for each hold."""
    return _measure(stage, size=1, title=f"Holds over HTTP: one seat over {LEGS} legs")


def three_seats(stage: Stage) -> Table:
    """Three seats for each hold."""
    return _measure(stage, size=3, title=f"Holds over HTTP: three seats over {LEGS} legs")


def requests_of(ground: Ground, groups: Sequence[Sequence[int]], *, path: str) -> Iterator[bytes]:
    """A request for each of these groups of seats on every trip, each of a seat that is free.

    In the order of pgbench's: all trips, then all trips again; holders in turn.
    """
    starts = cycle([head("POST", path, token=token) for token in ground.tokens()])
    labels = [seat.label for seat in ground.sheet.layout.seats]
    for group in groups:
        rest = f'","seatNumbers":{json.dumps([labels[seat] for seat in group])}}}'
        for trip_id in ground.trips:
            yield whole(next(starts), f'{{"tripId":"{trip_id}{rest}'.encode())


def _measure(stage: Stage, *, size: int, title: str) -> Table:
    ground, plan = stage.ground, stage.plan
    seats = len(ground.sheet.layout.seats)
    groups = [range(at, at + size) for at in range(0, seats - size + 1, size)]
    table = Table(title, "holds", ratios=_ratios())
    most = pgbench.prepare(ground, groups)
    plan.tell(f"{title}: a pilot of pgbench")
    ground.empty()
    count = min(most, int(pgbench.pilot(ground) * plan.seconds))
    ours = {n: stage.sites.get(processes=n) for n in PROCESSES}
    bare = {n: stage.sites.get(processes=n, command=EMPTY) for n in PROCESSES}
    for _ in plan.rounds(title):
        ground.empty()
        table.add(PGBENCH, pgbench.run(ground, holds=count))
        for n in PROCESSES:
            ground.empty()
            requests = requests_of(ground, groups, path=RESERVE)
            table.add(_kiti(n), stage.load(ours[n], requests, status=b"201"))
            requests = requests_of(ground, groups, path=empty.PATH)
            table.add(_empty(n), stage.load(bare[n], requests, status=b"201"))
    return table


def _ratios() -> list[Ratio]:
    return [
        *(Ratio(_kiti(number), PGBENCH, AS_QUICK) for number in PROCESSES),
        *(Ratio(_kiti(number), _empty(number), NEARLY_EMPTY) for number in PROCESSES),
    ]


def _kiti(processes: int) -> str:
    return f"Kiti, {_processes(processes)}"


def _empty(processes: int) -> str:
    return f"empty POST, {_processes(processes)}"


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"
