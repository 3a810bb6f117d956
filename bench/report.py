"""The page of the documentation: what was measured, how, and on what."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from bench.figures import Table
from bench.machine import Machine

_HOW: Final = """\
# Benchmarks

`make bench` measures; `make bench BENCH="holds sales"` only these rows, `make bench BENCH=--write`
also writes this page, and `BENCH=--help` tells the rest. Each figure stands beside its reference,
measured in the same run on the same machine: a figure alone says more of the machine than of Kiti.

How it is done:

- The database is the embedded PostgreSQL in a folder of its own, `fsync` and `synchronous_commit`
  on. {trips:,} trips of {seats} seats over {legs} legs are on sale, {holders} accounts buy. Every
  run begins with empty tables and a checkpoint.
- The server is the one that `kiti serve` starts, in development but for the limits on holds, its
  log going to a file. The load comes from one process of this machine, over loopback, on
  {connections} kept connections; each sends its next request when the last is answered. Every
  answer is checked; one with another status ends the run.
- Load, server and database share the cores, so what each uses is told: microseconds of a processor
  for each answer, from the kernel's own account.
- {runs} rounds of {seconds:g} s after {warm:g} s of warming up. The figures of one table take
  turns; shown is the run with the median rate, and a ratio is the median of the rounds' ratios.
- *Holds*: each takes a seat that is free, with a bearer token, all fields checked. `pgbench` calls
  the same function of the database with the same values, one hold a call, by prepared statement.
  The empty POST is a route in the same application, with the same layers around it, that reads the
  same body, verifies the same token, checks the same fields, and answers a constant.
- At the end of each row every invariant is checked, as `kiti audit` does.
"""


def stdout_text(machine: Machine, tables: Sequence[Table]) -> str:
    """What is printed."""
    return "\n".join([machine.text(), *(table.text() for table in tables)])


def page(how: str, machine: Machine, tables: Sequence[Table], *, on: date) -> str:
    """The whole page."""
    parts = [how, f"## Measured on {on.isoformat()}\n", machine.text()]
    return "\n".join([*parts, *(table.text() for table in tables)])


def how(**figures: float) -> str:
    """How it was done, with this run's own lengths and counts."""
    return _HOW.format(**figures)
