"""The commands; thin. Errors are one line on stderr and an honest exit code."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import cyclopts
from cyclopts import App, Parameter, Token, validators

from kiti import sandbox as simulated
from kiti.app import accounts, checks, importing, reviewing, serving
from kiti.cli_books import add_book_commands
from kiti.cli_timetable import add_timetable_commands
from kiti.cli_trips import add_trip_commands
from kiti.config import ConfigurationError, Settings, load_settings
from kiti.identity.model import Role
from kiti.platform.errors import DomainError
from kiti.platform.log import configure_logging
from kiti.platform.migrate import SchemaDrift, migrate
from kiti.platform.postgres import EmbeddedPostgresError
from kiti.timetable.model import ImportRefused

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number as written: `1.5` minor units is a mistake, not 2."""
    text = tokens[0].value
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text} is not a whole number")
    return int(text)


def _is_said(_type: object, text: str) -> None:
    if not text.strip():
        raise ValueError("a name, not nothing")


AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the report as JSON.")]
MinorUnits = Annotated[int | None, Parameter(converter=_whole)]

app = App(name="kiti", help="Sells seats on buses, ferries and trains.")
demo = App(name="demo", help="The whole product with a demo network and simulated gateways.")
importer = App(name="import", help="Bring a timetable in.")
user = App(name="user", help="Accounts.")
review = App(name="review", help="Trips that changed after somebody had booked them.")
for group in (demo, importer, user, review):
    app.command(group)


def main() -> None:
    """Run the command of the command line; exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command. What people did wrong is said in one line, without a trace."""
    try:
        code = app(
            _with_shift(arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except ImportRefused as error:
        return _fail(str(error), code=2)
    except cyclopts.MissingArgumentError as error:
        return _fail(_missing(error), code=2)
    except cyclopts.CycloptsError as error:
        return _fail(_one_line(str(error)), code=2)
    except DomainError as error:
        faults = error.extension.get("errors")
        return _fail(f"{error} {json.dumps(faults)}" if faults else str(error))
    except (ConfigurationError, EmbeddedPostgresError, SchemaDrift) as error:
        return _fail(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _fail(_one_line(f"{type(error).__name__}: {error}"))
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _with_shift(arguments: list[str]) -> list[str]:
    """`--shift` may stand without a date: then it means the fullest week."""
    out = list(arguments)
    for place, argument in enumerate(arguments):
        following = arguments[place + 1 : place + 2]
        if argument == "--shift" and (not following or following[0].startswith("--")):
            out[place] = "--shift=fullest"
    return out


def _missing(error: cyclopts.MissingArgumentError) -> str:
    """What is not there, and whether it is the option or only its value."""
    command = " ".join(("kiti", *(error.command_chain or ())))
    name = error.argument.name if error.argument else "an argument"
    is_named = error.argument is not None and error.argument.tokens
    what = f"{name} needs a value" if error.keyword or is_named else f"{name} is missing"
    return f"{what}; `{command} --help` shows all"


def _fail(message: str, *, code: int = 1) -> int:
    sys.stderr.write(f"kiti: {message}\n")
    return code


def _one_line(text: str) -> str:
    return " ".join(text.replace("│", " ").replace("╭", " ").replace("╰", " ").split())


def _settings() -> Settings:
    """The settings; what is odd about them is said on stderr."""
    settings, warnings = load_settings()
    for warning in warnings:
        sys.stderr.write(f"kiti: {warning}\n")
    configure_logging(is_plain=sys.stderr.isatty())
    return settings


add_timetable_commands(app, importer, _settings)
add_book_commands(app, _settings)
add_trip_commands(app, _settings)


@app.command
def serve(
    *,
    host: str = "127.0.0.1",
    port: Port = 8000,
    workers: int = 1,
    with_worker: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Serve HTTP; with --with-worker also run the jobs. A child that dies is started again."""
    return serving.serve(_settings(), host=host, port=port, workers=workers, has_worker=with_worker)


@app.command
def worker() -> int:
    """Run the jobs and the schedules."""
    return serving.work(_settings())


@demo.default
def run_demo(*, host: str = "127.0.0.1", port: Port = 8000) -> int:
    """Serve everything on one machine: database, demo network, simulated gateways, pages."""
    return serving.demo(_settings(), host=host, port=port)


@demo.command
def load() -> int:
    """Load the demo network and accounts, or refresh them."""
    return serving.load_demo_only(_settings())


@app.command(name="migrate")
def migrate_schema() -> int:
    """Bring the schema up to date; safe when several start at once."""
    with serving.database(_settings()) as (dsn, _):
        applied = asyncio.run(migrate(dsn))
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "up to date\n")
    return 0


@importer.command
def gtfs(  # noqa: D417  # --json is described by its type
    file: Path,
    *,
    layout: Path,
    currency: str,
    fares: Path | None = None,
    per_km: MinorUnits = None,
    minimum: MinorUnits = None,
    feed: str | None = None,
    fare: Annotated[list[str] | None, Parameter(negative=())] = None,
    from_: Annotated[date | None, Parameter(name="--from")] = None,
    to: Annotated[date | None, Parameter(name="--to")] = None,
    shift: str | None = None,
    ignore_pickup_types: Annotated[bool, Parameter(negative=())] = False,
    allow_removals: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    json_: AsJson = False,
) -> int:
    """Make a GTFS feed's trips sellable.

    Parameters
    ----------
    file
        The feed, a zip.
    layout
        The seats of its vehicles, in the format of docs/layouts.md.
    currency
        ISO 4217, of --fares or --per-km.
    fares
        A CSV: from_stop_id,to_stop_id,class,amount in minor units.
    per_km
        Minor units a kilometre, instead of --fares.
    minimum
        The lowest fare with --per-km, in minor units.
    feed
        The feed's identity; the file's name without its ending by default.
    fare
        FARE_ID=CLASS/TYPE, what one of the feed's own fares is for; may be given again.
    from_
        The first service date; today by default.
    to
        The last service date; 59 days later by default.
    shift
        A date, or nothing for the fullest week: that week becomes this week.
    ignore_pickup_types
        Let people board and alight at every call, for a feed that says nobody may.
    allow_removals
        Go on when more than half of the trips on file are no longer in the feed.
    dry_run
        Write nothing, show the plan and what would change.
    """
    return importing.run(
        _settings(),
        file=file,
        layout=layout,
        currency=currency,
        fares=fares,
        per_km=per_km,
        minimum=minimum,
        feed=feed,
        fare_map=fare or [],
        first=from_,
        last=to,
        shift=shift,
        ignores_pickup_types=ignore_pickup_types,
        may_remove=allow_removals,
        is_dry_run=dry_run,
        is_json=json_,
    )


@app.command
def job(name: str) -> int:
    """Run one background job now."""
    return serving.run_job(_settings(), name)


@app.command
def audit(*, json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """Check every invariant on the live database; 1 with the rows that break them."""
    return checks.audit(_settings(), is_json=json)


@app.command
def doctor() -> int:
    """Configuration, database, migrations, gateways, clock: each ok, or what to do."""
    return checks.doctor(load_settings)


@user.command
def create(
    *,
    email: str,
    role: Role,
    operator: UUID | None = None,
    password_stdin: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Make an account; without --password-stdin with a random password, printed once."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    return accounts.create(
        _settings(), email=email, role=role, operator_id=operator, password=password
    )


Who = Annotated[str, Parameter(validator=_is_said)]


@review.default
def show_reviews(*, json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """List the trips that wait for a decision: as booked, as the timetable has them now."""
    return reviewing.show(_settings(), is_json=json)


@review.command(name="keep")
def keep_trip(trip: UUID, *, by: Who = "command line") -> int:
    """Let a trip run as it was booked, and sell it again.

    Parameters
    ----------
    trip
        Its id.
    by
        Who decided, for the record.
    """
    return reviewing.keep_trip(_settings(), trip, by=by)


@review.command(name="move")
def move_trip(trip: UUID, *, by: Who = "command line") -> int:
    """Let a trip follow its timetable to other times, with all its bookings.

    Parameters
    ----------
    trip
        Its id.
    by
        Who decided, for the record.
    """
    return reviewing.move_trip(_settings(), trip, by=by)


@app.command
def sandbox(*, host: str = "127.0.0.1", port: Port = 8001) -> int:
    """The simulated gateways on their own."""
    simulated.run(host, port, simulated.load_sandbox_settings())
    return 0
