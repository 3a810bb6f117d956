"""The commands; thin. Errors are one line on stderr and an honest exit code."""

import json
import sys
from typing import Final

import asyncpg
import cyclopts

from kiti.config import ConfigurationError
from kiti.platform.errors import DomainError
from kiti.platform.migrate import SchemaDrift
from kiti.platform.postgres import EmbeddedPostgresError
from kiti.timetable.model import ImportRefused

app = cyclopts.App(name="kiti", help="Sells seats on buses, ferries and trains.")
# Where each command is, and its first line of help. Its module is imported when it is called for:
# that of the server alone takes over a second, which `kiti trip show` need not wait for.
COMMANDS: Final = {
    "serve": (
        "running:serve",
        "Serve HTTP; with --with-worker also run the jobs. A child that dies is started again.",
    ),
    "worker": ("running:worker", "Run the jobs and the schedules."),
    "demo": ("running:demo", "The whole product with a demo network and simulated gateways."),
    "migrate": (
        "upkeep:migrate_schema",
        "Bring the schema up to date; safe when several start at once.",
    ),
    "job": ("running:job", "Run one background job now."),
    "audit": (
        "upkeep:audit",
        "Check every invariant on the live database; 1 with the rows that break them.",
    ),
    "doctor": (
        "upkeep:doctor",
        "Configuration, database, migrations, gateways, clock: each ok, or what to do.",
    ),
    "sandbox": ("running:sandbox", "The simulated gateways on their own."),
    "import": ("timetable:importer", "Bring a timetable in."),
    "template": ("timetable:template", "Spreadsheets to fill in, on stdout."),
    "schedule": ("timetable:schedule", "Departures kept as rules."),
    "holidays": ("timetable:holidays", "Public holidays, of a country or one operator."),
    "trip": ("trips:trip", "Trips: which there are, how one stands, its sales, its end."),
    "review": ("trips:review", "Trips that changed after somebody had booked them."),
    "ledger": ("books:ledger", "The books: every movement of money, twice."),
    "user": ("accounts:user", "Accounts."),
    "operator": ("operators:operator", "Operators: names, refunds, commission."),
    "agent": ("operators:agent", "Agents: the cash that they took for us."),
}
for _name, (_place, _help) in COMMANDS.items():
    app.command(f"kiti.cli.{_place}", name=_name, help=_help)


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
    if error.argument is not None and error.argument.index is not None:
        name = name.lstrip("-").upper()
    is_named = error.argument is not None and error.argument.tokens
    what = f"{name} needs a value" if error.keyword or is_named else f"{name} is missing"
    return f"{what}; `{command} --help` shows all"


def _fail(message: str, *, code: int = 1) -> int:
    sys.stderr.write(f"kiti: {message}\n")
    return code


def _one_line(text: str) -> str:
    return " ".join(text.replace("│", " ").replace("╭", " ").replace("╰", " ").split())
