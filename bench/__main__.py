"""`python -m bench`: measure, print the tables, and with --write keep them in the documentation."""

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from bench import availability, holds, report, sales, searches
from bench.figures import Table
from bench.ground import HOLDERS, LEGS, SEATS, TRIPS, prepared
from bench.plan import Plan
from bench.servers import ROOT, Sites, complaints
from bench.stage import Stage
from bench.wire import Broken
from kiti.platform.clock import monotonic_s, utc_now
from kiti.platform.postgres import EmbeddedPostgresError

PAGE: Final = ROOT / "docs" / "benchmarks.md"
ROWS: Final[Mapping[str, Callable[[Stage], Table]]] = {
    "holds": holds.one_seat,
    "holds3": holds.three_seats,
    "sales": sales.measure,
    "availability": availability.measure,
    "search": searches.trips,
    "typing": searches.places,
}


def main() -> int:
    """Measure what is asked for; 1 when something answered wrongly or an invariant is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; all by default")
    parser.add_argument("--runs", type=int, default=3, help="rounds of each row (3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run (3)")
    parser.add_argument("--connections", type=int, default=32, help="of the load over HTTP (32)")
    parser.add_argument(
        "--trips", type=int, default=1_000_000, help="on file where many are searched (1000000)"
    )
    parser.add_argument(
        "--write", action="store_true", help="keep the tables in docs/benchmarks.md"
    )
    asked = parser.parse_args()
    rows: list[str] = asked.rows or list(ROWS)
    if unknown := sorted(set(rows) - set(ROWS)):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    plan = Plan(
        runs=asked.runs,
        seconds=asked.seconds,
        connections=asked.connections,
        began_s=monotonic_s(),
        trips_large=asked.trips,
    )
    try:
        return _measure(rows, plan, is_kept=asked.write)
    except (Broken, EmbeddedPostgresError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _measure(rows: list[str], plan: Plan, *, is_kept: bool) -> int:
    plan.tell("a database with trips on sale")
    with prepared() as ground, closing(Sites(ground)) as sites:
        stage = Stage(ground, plan, sites)
        tables: list[Table] = []
        broken: list[str] = []
        try:
            for row in rows:
                tables.append(ROWS[row](stage))
                broken += [f"{row}: {each.invariant}: {each.subject}" for each in ground.breaches()]
        except Broken:
            sys.stderr.write(complaints(ground) + "\n")
            raise
    sys.stdout.write(report.stdout_text(ground.machine, tables))
    plan.tell("done")
    for line in broken:
        sys.stderr.write(f"bench: BROKEN {line}\n")
    if is_kept and not broken:
        how = report.how(
            trips=TRIPS,
            seats=SEATS,
            legs=LEGS,
            holders=HOLDERS,
            connections=plan.connections,
            runs=plan.runs,
            seconds=plan.seconds,
            warm=plan.warm_s,
        )
        text = report.page(how, ground.machine, tables, on=utc_now().date())
        PAGE.write_text(text, encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
