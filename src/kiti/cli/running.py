"""The commands that run Kiti and look after it; thin."""

import asyncio
import sys

from cyclopts import App

from kiti import sandbox as simulated
from kiti.app import checks, serving
from kiti.cli.options import AsJson, Flag, Port, settings
from kiti.config import load_settings
from kiti.platform.migrate import migrate

app = App(name="kiti", help="Sells seats on buses, ferries and trains.")
demo = App(name="demo", help="The whole product with a demo network and simulated gateways.")
app.command(demo)


@app.command
def serve(
    *,
    host: str = "127.0.0.1",
    port: Port = 8000,
    workers: int = 1,
    with_worker: Flag = False,
) -> int:
    """Serve HTTP; with --with-worker also run the jobs. A child that dies is started again."""
    return serving.serve(settings(), host=host, port=port, workers=workers, has_worker=with_worker)


@app.command
def worker() -> int:
    """Run the jobs and the schedules."""
    return serving.work(settings())


@demo.default
def run_demo(*, host: str = "127.0.0.1", port: Port = 8000) -> int:
    """Serve everything on one machine: database, demo network, simulated gateways, pages."""
    return serving.demo(settings(), host=host, port=port)


@demo.command
def load() -> int:
    """Load the demo network and accounts, or refresh them."""
    return serving.load_demo_only(settings())


@app.command(name="migrate")
def migrate_schema() -> int:
    """Bring the schema up to date; safe when several start at once."""
    with serving.database(settings()) as (dsn, _):
        applied = asyncio.run(migrate(dsn))
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "up to date\n")
    return 0


@app.command
def job(name: str) -> int:
    """Run one background job now."""
    return serving.run_job(settings(), name)


@app.command
def audit(*, json: AsJson = False) -> int:
    """Check every invariant on the live database; 1 with the rows that break them."""
    return checks.audit(settings(), is_json=json)


@app.command
def doctor() -> int:
    """Configuration, database, migrations, gateways, clock: each ok, or what to do."""
    return checks.doctor(load_settings)


@app.command
def sandbox(*, host: str = "127.0.0.1", port: Port = 8001) -> int:
    """The simulated gateways on their own."""
    simulated.run(host, port, simulated.load_sandbox_settings())
    return 0
