"""Finding a trip over HTTP: among ten thousand trips and a million, among 20,000 stops by name."""

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import Final
from urllib.parse import urlencode

from bench.figures import Slowest, Table
from bench.servers import Site, site
from bench.stage import Stage
from bench.timetable import Timetable, timetable
from bench.wire import head, whole

SMALL: Final = 10_000
STOPS: Final = 20_000
PATHS: Final = 5_000
WRONG: Final = "a letter wrong"
# A search's own latency: with more callers than cores most of it would be the wait for a core.
CALLERS: Final = 2
NOTE: Final = (
    "Each search finds the ten trips of a line on one coming day, with seats and price; the "
    "strip tells seats and price of seven days. Half of the trips on file have left."
)


def trips(stage: Stage) -> Table:
    """One day of a line and seven days of it, each line of ten trips a day, half of them gone."""
    sizes = (SMALL, stage.plan.trips_large)
    table = Table(
        f"Search over HTTP: {CALLERS} callers, 1 process",
        "GETs",
        slowest=[
            Slowest(_of(stage.plan.trips_large), _of(SMALL), 1.3),
            Slowest(_of(stage.plan.trips_large), None, 15.0),
        ],
        notes=[NOTE],
    )
    with ExitStack() as stack:
        fields = [
            stack.enter_context(_opened(stage, f"bench_{n}", trips=n, stops=0)) for n in sizes
        ]
        for _ in stage.plan.rounds(table.title):
            for field, server in fields:
                _measure(stage, table, server, _of(field.trips), field.searches(PATHS))
            for field, server in fields:
                _measure(stage, table, server, _strip_of(field.trips), field.strips(PATHS))
    return table


def places(stage: Stage) -> Table:
    """Names of stops as they are typed: three letters, most of the name, and a letter wrong."""
    table = Table(
        f"Typing a place over HTTP: {STOPS:,} stops, {CALLERS} callers, 1 process",
        "GETs",
        slowest=[Slowest(title, None, 30.0 if title == WRONG else 15.0) for title in TYPED],
    )
    with _opened(stage, "bench_places", trips=SMALL, stops=STOPS) as (field, server):
        paths = {title: _typed(field.names, typed) for title, typed in TYPED.items()}
        for _ in stage.plan.rounds(table.title):
            for title in TYPED:
                _measure(stage, table, server, title, paths[title])
    return table


def _three(name: str, _: random.Random) -> str:
    return name[:3]


def _most(name: str, _: random.Random) -> str:
    return name[:-2]


def _wrong(name: str, dice: random.Random) -> str:
    """The name with two letters that changed places."""
    at = dice.randrange(1, len(name) - 2)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


TYPED: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "3 letters": _three,
    "most of the name": _most,
    WRONG: _wrong,
}


def _typed(names: Sequence[str], typed: Callable[[str, random.Random], str]) -> list[str]:
    dice = random.Random(3)  # noqa: S311  # not a secret
    return ["/api/stops?" + urlencode({"q": typed(dice.choice(names), dice)}) for _ in range(PATHS)]


@contextmanager
def _opened(
    stage: Stage, name: str, *, trips: int, stops: int
) -> Generator[tuple[Timetable, Site]]:
    """A timetable and a web server on it."""
    stage.plan.tell(f"a database with {trips:,} trips")
    with (
        timetable(stage.ground, name=name, trips=trips, stops=stops) as field,
        site(field.ground, processes=1) as server,
    ):
        yield field, server


def _measure(stage: Stage, table: Table, server: Site, title: str, paths: Sequence[str]) -> None:
    requests: Iterator[bytes] = cycle([whole(head("GET", path)) for path in paths])
    table.add(title, stage.load(server, requests, status=b"200", connections=CALLERS))


def _of(trips: int) -> str:
    return f"{trips:,} trips"


def _strip_of(trips: int) -> str:
    return f"seven days, {trips:,} trips"
