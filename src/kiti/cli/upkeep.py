"""The commands that look after a database; thin."""

import asyncio
import sys

from kiti.app import checks
from kiti.app.database import database
from kiti.cli.options import AsJson, settings
from kiti.config import load_settings
from kiti.platform.migrate import migrate


def migrate_schema() -> int:
    """Bring the schema up to date; safe when several start at once."""
    with database(settings()) as (dsn, _):
        applied = asyncio.run(migrate(dsn))
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "up to date\n")
    return 0


def audit(*, json: AsJson = False) -> int:
    """Check every invariant on the live database; 1 with the rows that break them."""
    return checks.audit(settings(), is_json=json)


def doctor() -> int:
    """Configuration, database, migrations, gateways, clock: each ok, or what to do."""
    return checks.doctor(load_settings)
