"""The reference of a hold: PostgreSQL's own bench tool calls the product's own function."""

import os
import re
import resource
import subprocess
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from bench import store
from bench.figures import Run
from bench.ground import LEGS, SEATS, Ground
from bench.wire import Broken
from kiti.booking.stock import Shape, seat_array
from kiti.platform.db import Conn
from kiti.platform.postgres.place import shipped_binaries

CLIENTS: Final = 24
PILOT_S: Final = 1

# One request a call, as the product makes it: what the product works out before it calls is read
# from a row, the ids are of the kind and order of its own. Client by client the numbers differ.
SCRIPT: Final = """\\set n :i * :clients + :client_id
\\set i :i + 1
SELECT outcome, decided_at, ends_at, conflict
FROM bench_request AS r CROSS JOIN LATERAL hold_many_2(
  ARRAY[r.trip_id], ARRAY[uuidv7()], ARRAY[r.reference], ARRAY['account'], ARRAY[r.holder_id],
  ARRAY[r.seats], ARRAY[0::smallint], ARRAY[:legs::smallint], ARRAY[r.mask],
  ARRAY[r.types], ARRAY[r.fares], ARRAY[r.total], ARRAY['NGN'],
  ARRAY[900], 1800, ARRAY[1], 1000, NULL)
WHERE r.n = :n;
"""


def prepare(ground: Ground, seats: Sequence[Sequence[int]]) -> int:
    """Write the requests: each of these groups of seats on every trip; how many there are."""
    shape = Shape(SEATS, LEGS)
    holders: list[UUID] = list(ground.holders)

    async def put(conn: Conn) -> None:
        await store.put_requests(
            conn,
            trips=ground.trips,
            holders=holders,
            seats=[seat_array(group) for group in seats],
            masks=[shape.mask(group, 0, LEGS) for group in seats],
            fare_minor=ground.fare_minor,
        )

    ground.sql(put)
    return len(seats) * len(ground.trips)


def pilot(ground: Ground) -> float:
    """About how many a second there are: runs are then given by their number, not their time."""
    return _run(ground, ("-T", f"{PILOT_S}")).per_second


def run(ground: Ground, *, holds: int) -> Run:
    """So many holds (rounded down to the clients), none of which may be refused.

    Raises:
        Broken: it did something else.
    """
    return _run(ground, ("-t", f"{holds // CLIENTS}"))


def _run(ground: Ground, length: Sequence[str]) -> Run:
    script, log = ground.folder / "hold.sql", ground.folder / "pgbench"
    script.write_text(SCRIPT, encoding="utf-8")
    before = ground.database_s()
    client_before = _children_s()
    done = subprocess.run(  # noqa: S603  # our own words
        [
            *(str(shipped_binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared"),
            *(f"--client={CLIENTS}", "--jobs=1", *length),
            *("--define=i=0", f"--define=clients={CLIENTS}", f"--define=legs={LEGS}"),
            *("--log", f"--log-prefix={log}", f"--file={script}", ground.dsn),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    cpu = {"database": ground.database_s() - before, "client": _children_s() - client_before}
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or rate is None or count is None:
        raise Broken(f"pgbench: {done.stderr[-500:]}")
    held = ground.sql(store.count_bookings)
    if held != int(count[1]):
        raise Broken(f"pgbench made {count[1]} calls and {held} holds")
    latencies: list[float] = []
    for path in ground.folder.glob("pgbench.*"):
        lines = path.read_text(encoding="ascii").splitlines()
        latencies += [int(line.split()[2]) / 1e6 for line in lines]
        path.unlink()
    return Run(held, held / float(rate[1]), latencies, cpu)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
