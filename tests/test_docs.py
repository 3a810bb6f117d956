"""The documents say what the code does: settings, commands, routes, jobs, states."""

import re
from pathlib import Path

import pytest

from kiti import cli
from kiti.app.web import create_api
from kiti.booking.model import TRANSITIONS as BOOKING_TRANSITIONS
from kiti.config import Settings, load_settings
from kiti.payments.model import DISPUTE_TRANSITIONS, EVENT_TRANSITIONS, REFUND_TRANSITIONS
from kiti.payments.model import TRANSITIONS as PAYMENT_TRANSITIONS
from kiti.platform.db import Database
from site_parts import make_parts

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    written = set(re.findall(r"^([A-Z_]+)=", read(".env.example"), re.MULTILINE))
    assert written == {name.upper() for name in Settings.model_fields}


def test_the_example_works_as_it_stands() -> None:
    settings, warnings = load_settings({}, ROOT / ".env.example")
    assert warnings == []
    assert settings.app_env == "development"


def test_every_command_is_in_the_readme() -> None:
    readme = read("README.md")
    for name in ("serve", "worker", "demo", "demo load", "migrate",
                 "import timetable", "template timetable", "template fares", "schedule list",
                 "schedule show", "holidays add", "holidays remove", "holidays list",
                 "import gtfs", "job", "audit",
                 "doctor", "user create", "sandbox", "trip list", "trip show", "trip close",
                 "trip reopen",
                 "trip cancel", "operator rename", "operator policy", "operator commission",
                 "agent float",
                 "agent remit",
                 "review", "review keep", "review move"):  # fmt: skip
        assert f"kiti {name}" in readme
        assert cli.run([*name.split(), "--help"]) == 0


async def test_every_route_is_described_and_there_is_no_other(db: Database) -> None:
    document = create_api(make_parts(db)).openapi()
    routes = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    described = set(re.findall(r"^\| `([A-Z]+ /[^`]*)`", read("docs/api.md"), re.MULTILINE))
    assert described == routes


async def test_every_job_is_described_and_there_is_no_other(db: Database) -> None:
    parts = make_parts(db)
    text = read("docs/operations.md")
    kinds = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", text, re.MULTILINE))
    names = set(re.findall(r"^\| `([a-z]+-[a-z]+)` \|", text, re.MULTILINE))
    assert kinds == set(parts.handlers)
    assert names == {job.name for job in parts.jobs}


@pytest.mark.parametrize(
    ("title", "transitions"),
    [
        ("Booking", BOOKING_TRANSITIONS),
        ("Payment", PAYMENT_TRANSITIONS),
        ("Refund", REFUND_TRANSITIONS),
        ("Dispute", DISPUTE_TRANSITIONS),
        ("Event", EVENT_TRANSITIONS),
    ],
)
def test_the_states_drawn_are_the_states_there_are(
    title: str, transitions: dict[str, frozenset[str]]
) -> None:
    section = re.split(r"^## ", read("docs/states.md"), flags=re.MULTILINE)
    table = next(part for part in section if part.startswith(title))
    drawn: set[tuple[str, str]] = set()
    for source, target in re.findall(r"^\| ([a-z_, ]+) \| ([a-z_, ]+) \|", table, re.MULTILINE):
        if source == "from":
            continue
        drawn |= {(a, b) for a in source.split(", ") for b in target.split(", ")}
    assert drawn == {(a, b) for a, targets in transitions.items() for b in targets}
