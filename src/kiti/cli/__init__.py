"""The commands; thin. Errors are one line on stderr and an honest exit code."""

import json
import sys

import asyncpg
import cyclopts

from kiti.cli.accounts import user
from kiti.cli.books import ledger
from kiti.cli.operators import agent, operator
from kiti.cli.running import app
from kiti.cli.timetable import holidays, importer, schedule, template
from kiti.cli.trips import review, trip
from kiti.config import ConfigurationError
from kiti.platform.errors import DomainError
from kiti.platform.migrate import SchemaDrift
from kiti.platform.postgres import EmbeddedPostgresError
from kiti.timetable.model import ImportRefused

for group in (importer, template, schedule, holidays, trip, review, ledger, user, operator, agent):
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
