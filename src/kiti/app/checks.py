"""`kiti audit` and `kiti doctor`: does everything hold, and is everything there."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC
from typing import Any, Final

import asyncpg

from kiti.app.database import database, require_database
from kiti.app.secrets import completed
from kiti.booking import audit as booking
from kiti.checkout import audit as checkout
from kiti.config import ConfigurationError, Settings
from kiti.jobs import audit as jobs
from kiti.ledger import audit as ledger
from kiti.payments import audit as payments
from kiti.payments.gateways.flutterwave import gateway_client
from kiti.platform import server_facts
from kiti.platform.audit import Finding
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, connect
from kiti.platform.deadlines import PATIENT
from kiti.platform.migrate import SchemaDrift, missing_migrations
from kiti.platform.postgres import EmbeddedPostgresError

POSTGRES_VERSION_MIN: Final = 15
CLOCK_DRIFT_S_MAX: Final = 2.0
REACH_S: Final = 5.0
_KEYS: Final = "FLUTTERWAVE_SECRET_KEY or STRIPE_SECRET_KEY"
# Each gateway's own secret of its webhooks.
_GATEWAYS: Final = {
    "flutterwave": "flutterwave_webhook_secret_hash",
    "stripe": "stripe_webhook_secret",
}
MIGRATE: Final = "run `kiti migrate`"

Check = Callable[[], Coroutine[Any, Any, str]]


async def find_breaches(conn: Conn) -> list[Finding]:
    """Every row that breaks an invariant, in one snapshot of the database."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await server_facts.take_time(conn)
        return [
            *await booking.audit(conn),
            *await payments.audit(conn),
            *await ledger.audit(conn),
            *await checkout.audit(conn),
            *await jobs.audit(conn),
        ]


def audit(settings: Settings, *, is_json: bool) -> int:
    """Print what breaks an invariant; 1 when anything does."""

    async def work(dsn: str) -> list[Finding]:
        db = await connect(dsn, size=1, deadlines=PATIENT)
        try:
            async with db.connection() as conn:
                missing = await missing_migrations(conn)
                if missing:
                    raise ConfigurationError(f"the schema is behind by {len(missing)}: {MIGRATE}")
                return await find_breaches(conn)
        finally:
            await db.close()

    require_database(settings)
    with database(settings) as (dsn, _):
        found = asyncio.run(work(dsn))
    if is_json:
        rows = [{"invariant": each.invariant, "subject": each.subject} for each in found]
        sys.stdout.write(json.dumps({"holds": not found, "findings": rows}) + "\n")
    elif found:
        sys.stdout.write("".join(f"BROKEN {each.invariant}: {each.subject}\n" for each in found))
    else:
        sys.stdout.write("every invariant holds\n")
    return 1 if found else 0


class Unwell(Exception):
    """A check that failed; the message says what to do."""


def doctor(load: Callable[[], tuple[Settings, list[str]]]) -> int:
    """Print a line for each check: ok, or what to do. 1 when any failed."""
    try:
        settings, warnings = load()
    except ConfigurationError as error:
        return _say([("configuration", f"{error}", False)])
    lines = [("configuration", "; ".join(warnings) or settings.app_env, True)]
    try:
        require_database(settings)
        with database(settings) as (dsn, attached):
            where = "embedded" if attached else "DATABASE_URL"
            lines += asyncio.run(_check_all(settings, dsn, where))
    except (ConfigurationError, EmbeddedPostgresError, OSError) as error:
        lines.append(("database", str(error), False))
    return _say(lines)


async def _check_all(settings: Settings, dsn: str, where: str) -> list[tuple[str, str, bool]]:
    lines: list[tuple[str, str, bool]] = []

    async def run(name: str, check: Check) -> None:
        try:
            lines.append((name, await check(), True))
        except Unwell as error:
            lines.append((name, str(error), False))

    try:
        conn = await asyncpg.connect(dsn, timeout=int(REACH_S))
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        text = f"cannot connect ({type(error).__name__}): check DATABASE_URL and the server"
        return [("database", text, False)]
    try:
        await run("database", lambda: _check_version(conn, where))
        await run("migrations", lambda: _check_schema(conn))
        await run("clock", lambda: _check_clock(conn))
    finally:
        await conn.close()
    whole = completed(settings, app_url=settings.app_url)
    await run("gateways", lambda: _check_gateways(whole))
    await run("mail", lambda: _check_mail(settings))
    return lines


async def _check_version(conn: Conn, where: str) -> str:
    text = await server_facts.get_version(conn)
    if int(text.split(".", maxsplit=1)[0]) < POSTGRES_VERSION_MIN:
        raise Unwell(f"PostgreSQL {text} is too old: {POSTGRES_VERSION_MIN} or later is needed")
    if not await server_facts.is_durable(conn):
        raise Unwell("fsync is off: a crash loses sales; set fsync = on")
    if await server_facts.is_standby(conn):
        raise Unwell("this is a standby: point DATABASE_URL at the primary")
    return f"PostgreSQL {text}, {where}"


async def _check_schema(conn: Conn) -> str:
    try:
        missing = await missing_migrations(conn)
    except SchemaDrift as error:
        raise Unwell(str(error)) from None
    if missing:
        raise Unwell(f"behind by {len(missing)}: run `kiti migrate`")
    return "up to date"


async def _check_clock(conn: Conn) -> str:
    before = utc_now()
    theirs = await server_facts.read_clock(conn)
    after = utc_now()
    middle = before + (after - before) / 2
    drift_s = abs((theirs.astimezone(UTC) - middle).total_seconds())
    if drift_s > CLOCK_DRIFT_S_MAX:
        raise Unwell(f"{drift_s:.1f} s from the database's: set this machine's clock (NTP)")
    return f"{drift_s * 1000:.0f} ms from the database's"


async def _check_gateways(settings: Settings) -> str:
    if not settings.flutterwave_secret_key and not settings.stripe_secret_key:
        if not settings.is_production:
            return f"none: set {_KEYS}; `kiti demo` brings simulated ones of its own"
        raise Unwell(f"none is on: set {_KEYS}")
    answers: list[str] = []
    async with gateway_client() as client:
        for name, webhook_secret in _GATEWAYS.items():
            if not getattr(settings, f"{name}_secret_key"):
                continue
            if not getattr(settings, webhook_secret):
                raise Unwell(f"{name}: set {webhook_secret.upper()}, as in its dashboard")
            try:
                await client.get(str(getattr(settings, f"{name}_base_url")), timeout=REACH_S)
            except Exception as error:  # noqa: BLE001  # whatever the client raises, it is not reached
                text = f"{name}: no answer ({type(error).__name__}) from {name.upper()}_BASE_URL"
                raise Unwell(f"{text}: check the network") from None
            answers.append(f"{name} answers")
    return ", ".join(answers)


async def _check_mail(settings: Settings) -> str:
    return "by SMTP_URL" if settings.smtp_url else "to the console: set SMTP_URL to send"


def _say(lines: list[tuple[str, str, bool]]) -> int:
    for name, text, is_ok in lines:
        sys.stdout.write(f"{'ok  ' if is_ok else 'FAIL'} {name:<14} {text}\n")
    return 0 if all(is_ok for _, _, is_ok in lines) else 1
