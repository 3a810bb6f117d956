"""The commands as people type them: help, one line for each mistake, honest exit codes."""

import asyncio
import base64
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import asyncpg
import httpx2
import pytest

from booking_make import hold, make_request, make_stock
from cluster import Cluster
from kiti.cli import COMMANDS as COMMANDS_AT
from kiti.cli import app, run
from kiti.platform.db import connect
from kiti.platform.migrate import migrate, migrations
from product_process import Ran, environment, run_kiti

NOWHERE = "postgresql://kiti@127.0.0.1:1/none"
SECRET = "a-secret-that-nobody-may-see"

Kiti = Callable[..., Ran]

COMMANDS = {
    "": ("serve", "worker", "demo", "migrate", "import", "job", "audit", "doctor", "user"),
    "serve": ("--host", "--port", "--workers", "--with-worker"),
    "worker": (),
    "demo": ("--port", "load"),
    "demo load": (),
    "migrate": (),
    "import": ("gtfs", "timetable"),
    "import timetable": (
        "--operator", "--layout", "--currency", "--fares", "--from", "--feed", "--name", "--zone",
        "--close-minutes", "--days-ahead", "--allow-removals", "--dry-run", "--json",
    ),
    "template": ("timetable", "fares"),
    "template timetable": ("--xlsx",),
    "template fares": ("--xlsx",),
    "schedule": ("list", "show"),
    "schedule list": ("--operator",),
    "schedule show": ("CODE",),
    "holidays": ("add", "remove", "list"),
    "holidays add": ("--on", "--name", "--country", "--operator"),
    "holidays remove": ("--on", "--country", "--operator"),
    "holidays list": ("--country", "--operator"),
    "import gtfs": (
        "--layout", "--fares", "--per-km", "--minimum", "--currency", "--feed", "--fare",
        "--from", "--to", "--shift", "--ignore-pickup-types", "--dry-run", "--json",
    ),
    "job": ("--name",),
    "audit": ("--json",),
    "doctor": (),
    "user": ("create",),
    "user create": ("--email", "--role", "--operator", "--password-stdin"),
    "sandbox": ("--port",),
    "trip": ("list", "show", "close", "reopen", "cancel"),
    "trip list": ("--operator", "--feed", "--date", "--limit"),
}  # fmt: skip


@pytest.fixture
def kiti(tmp_path: Path) -> Kiti:
    """Runs a command in an empty folder; settings are given by name."""

    def start(*arguments: str | Path, typed: str = "", **settings: str) -> Ran:
        known = environment(tmp_path / "data", **settings)
        return run_kiti(*arguments, cwd=tmp_path, environment=known, typed=typed)

    return start


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Kiti:
    """Runs a command here: only for what ends before it logs, or talks to a database."""

    def start(*arguments: str, **settings: str) -> Ran:
        monkeypatch.chdir(tmp_path)
        known = environment(tmp_path / "data", **settings)
        for name in os.environ.keys() - known.keys():
            monkeypatch.delenv(name)
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        code = run([*arguments])
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return start


@pytest.fixture(scope="session")
async def own_url(cluster: Cluster, worker_id: str) -> AsyncGenerator[str]:
    """A migrated database for these tests."""
    name = f"kiti_cli_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    yield url
    await cluster.drop_database(name)


@pytest.fixture
async def empty_url(cluster: Cluster, worker_id: str) -> AsyncGenerator[str]:
    """A database without a table."""
    name = f"kiti_empty_{worker_id}"
    yield await cluster.create_database(name)
    await cluster.drop_database(name)


def production(**changes: str) -> dict[str, str]:
    """Settings that production accepts."""
    return {
        "APP_ENV": "production",
        "APP_URL": "https://kiti.example",
        "JWT_SECRET": secrets.token_hex(32),
        "JOB_SECRET_KEY": secrets.token_hex(32),
        "KITI_TICKET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "KITI_PRIVACY_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "FLUTTERWAVE_SECRET_KEY": "FLWSECK-" + secrets.token_hex(16),
        "FLUTTERWAVE_WEBHOOK_SECRET_HASH": secrets.token_hex(16),
    } | changes


def assert_one_line(done: Ran, *, code: int, said: str = "") -> None:
    """A mistake as it must be told."""
    assert done.code == code, done
    assert done.out == ""
    assert re.fullmatch(r"kiti: [^\n]+\n", done.err), done.err
    assert "Traceback" not in done.err
    assert said in done.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([*command.split(), "--help"]) == 0
    shown = capsys.readouterr()
    assert f"Usage: kiti {command}".strip() in shown.out
    assert [word for word in COMMANDS[command] if word not in shown.out] == []
    assert shown.err == ""


def test_the_first_line_of_help_is_what_the_command_says_of_itself():
    for name, (place, text) in COMMANDS_AT.items():
        command = app[name].default_command
        if name not in {"demo", "review"} and command is not None:  # groups, with one of their own
            assert text == (command.__doc__ or "").splitlines()[0], place


def test_help_and_a_look_at_a_trip_do_not_wait_for_the_server_to_be_imported():
    heavy = ("fastapi", "kiti.app.serving", "kiti.payments.gateways.stripe", "kiti.timetable.gtfs")
    for command in ("--help", "trip --help"):
        code = (
            f"import sys; from kiti.cli import run; run({command.split()!r}); "
            f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stderr == "[]\n", command


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nope", '"nope"'),
        ("serve --nope", "--nope"),
        ("serve extra", "extra"),
        ("serve --port 70000", "65535"),
        ("serve --port -1", "--port"),
        ("serve --port http", "--port"),
        ("serve --workers many", "--workers"),
        ("demo --port 65536", "65535"),
        ("sandbox --port 70000", "65535"),
        ("job", "NAME is missing"),
        ("user create --role passenger", "--email"),
        ("user create --email a@kiti.example --role king", '"king"'),
        ("user create --email a@kiti.example --role agent --operator 7", "--operator"),
        ("import gtfs", "FILE is missing"),
        ("trip show x", "x is no trip id: see `kiti trip list`"),
        ("review keep x", "x is no trip id: see `kiti trip list`"),
        ("import gtfs f.zip --currency NGN", "--layout is missing; `kiti import gtfs --help`"),
        ("import gtfs f.zip --layout", "--layout needs a value"),
        ("import gtfs f.zip --layout l", "--currency"),
        ("import gtfs f.zip --layout l --currency NGN --from 2026-13-01", "2026-13-01"),
        ("import gtfs f.zip --layout l --currency NGN --to tomorrow", "tomorrow"),
        ("import gtfs f.zip --layout l --currency NGN --per-km ten", "ten"),
        ("import gtfs f.zip --layout l --currency NGN --per-km 1.5", "1.5"),
        ("import gtfs f.zip --layout l --currency NGN --per-km -60", "must not be below 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
):
    code = run(typed.split())
    shown = capsys.readouterr()
    assert_one_line(Ran(code, shown.out, shown.err), code=2, said=said)


def test_an_import_needs_fares_that_belong_together(kiti: Kiti):
    start = ("import", "gtfs", "f.zip", "--layout", "l", "--currency", "NGN")
    done = kiti(*start, "--per-km", "10", DATABASE_URL=NOWHERE)
    assert_one_line(done, code=2, said="--minimum")


def test_production_refuses_before_it_binds_and_names_every_variable_and_no_value(
    in_process: Kiti,
):
    with socket.create_server(("127.0.0.1", 0)) as taken:  # binding it would be told first
        port = str(taken.getsockname()[1])
        done = in_process(
            "serve", "--port", port,
            APP_ENV="production", APP_URL=f"http://{SECRET}.example", JWT_SECRET=SECRET,
            KITI_TICKET_KEY=SECRET, FLUTTERWAVE_SECRET_KEY=SECRET, KITI_RATE_LIMITS="off",
            FLUTTERWAVE_BASE_URL=f"http://{SECRET}.example",
        )  # fmt: skip
    assert_one_line(done, code=1)
    for name in (
        "JWT_SECRET", "JOB_SECRET_KEY", "KITI_TICKET_KEY", "KITI_PRIVACY_KEY", "APP_URL",
        "FLUTTERWAVE_WEBHOOK_SECRET_HASH", "FLUTTERWAVE_BASE_URL", "KITI_RATE_LIMITS",
    ):  # fmt: skip
        assert name in done.err
    assert SECRET not in done.err


@pytest.mark.parametrize("command", ["demo", "demo load"])
def test_there_is_no_demo_in_production(kiti: Kiti, own_url: str, command: str):
    done = kiti(*command.split(), **production(DATABASE_URL=own_url))
    assert_one_line(done, code=1, said="APP_ENV=production")


async def test_a_schema_that_is_behind_is_refused_in_production_and_the_command_is_named(
    kiti: Kiti, empty_url: str
):
    settings = production(DATABASE_URL=empty_url)
    refused, ill = await asyncio.gather(
        asyncio.to_thread(kiti, "serve", "--port", "0", **settings),
        asyncio.to_thread(kiti, "doctor", **settings),
    )
    assert_one_line(refused, code=1, said="run `kiti migrate`")
    assert re.search(r"^FAIL migrations +behind by \d+: run `kiti migrate`$", ill.out, re.MULTILINE)


def test_a_port_that_is_taken_is_told(kiti: Kiti):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = kiti("serve", "--port", port, DATABASE_URL=NOWHERE)
    assert_one_line(done, code=1, said="is taken")


def test_a_job_runs_once_and_an_unknown_setting_outside_the_file_is_a_warning(
    kiti: Kiti, own_url: str
):
    done = kiti("job", "expire-seats", DATABASE_URL=own_url, KITI_SERVICE_HOST=SECRET)
    assert done.code == 0
    assert re.fullmatch(r"expire-seats DONE processed=0 ms=\d+\n", done.out)
    assert done.err == "kiti: unknown setting in the environment, ignored: KITI_SERVICE_HOST\n"


def test_an_unknown_setting_in_the_file_is_an_error(in_process: Kiti, tmp_path: Path):
    (tmp_path / ".env").write_text(f"KITI_HOLD_MINTUES={SECRET}\n")
    done = in_process("audit")
    assert_one_line(done, code=1, said="KITI_HOLD_MINTUES")
    assert SECRET not in done.err


@pytest.mark.parametrize("command", ["audit --json", "user create --email a@b.co --role agent"])
def test_a_database_that_is_not_there_is_told(kiti: Kiti, command: str):
    assert_one_line(kiti(*command.split(), DATABASE_URL=NOWHERE), code=1, said="127.0.0.1")


def test_a_database_address_that_is_none_is_told_without_its_password(in_process: Kiti):
    for url in (f"mysql://kiti:{SECRET}@127.0.0.1/x", f"postgresql://kiti:{SECRET}@host:port/x"):
        done = in_process("migrate", DATABASE_URL=url)
        assert_one_line(done, code=1, said="DATABASE_URL")
        assert SECRET not in done.err


def test_an_unknown_job_is_told_with_the_names_there_are(kiti: Kiti, own_url: str):
    done = kiti("job", "nope", DATABASE_URL=own_url)
    assert_one_line(done, code=1, said="expire-seats")


async def stored_accounts(url: str, email: str) -> list[str]:
    conn = await asyncpg.connect(url)
    rows = await conn.fetch("SELECT * FROM account WHERE email = $1", email)
    await conn.close()
    return [str(dict(row)) for row in rows]


async def test_an_account_is_made_with_a_password_that_is_printed_once(kiti: Kiti, own_url: str):
    made = await asyncio.to_thread(
        kiti, "user", "create", "--email", "juma@kiti.example", "--role", "finance",
        DATABASE_URL=own_url,
    )  # fmt: skip
    assert (made.code, made.err) == (0, "")
    found = re.fullmatch(r"account ([0-9a-f-]{36})\npassword (\S{16,})\n", made.out)
    assert found is not None, made.out
    (row,) = await stored_accounts(own_url, "juma@kiti.example")
    assert found[2] not in row
    assert "$argon2id$" in row


async def test_of_two_who_want_the_same_address_one_has_it(kiti: Kiti, own_url: str):
    words = ("user", "create", "--role", "finance", "--password-stdin", "--email")

    def create(email: str, typed: str) -> Ran:
        return kiti(*words, email, typed=typed, DATABASE_URL=own_url)

    done = await asyncio.gather(
        asyncio.to_thread(create, "Amina@Kiti.example", "the lake at noon\n"),
        asyncio.to_thread(create, "amina@kiti.EXAMPLE", "the lake at night\n"),
    )
    made, refused = sorted(done, key=lambda each: each.code)
    assert (made.code, made.err) == (0, "")
    assert re.fullmatch(r"account [0-9a-f-]{36}\n", made.out)
    assert_one_line(refused, code=1, said="#/email")
    assert "lake" not in refused.err


@pytest.mark.parametrize(
    ("role", "operator", "said"),
    [
        ("operator_staff", (), "needs --operator"),
        ("agent", ("--operator", "00000000-0000-0000-0000-000000000000"), "no such operator"),
        ("finance", ("--operator", "00000000-0000-0000-0000-000000000000"), "no operator"),
    ],
)
def test_staff_belong_to_an_operator_that_there_is(
    kiti: Kiti, own_url: str, role: str, operator: tuple[str, ...], said: str
):
    words = ("user", "create", "--email", "staff@kiti.example", "--role", role, *operator)
    assert_one_line(kiti(*words, DATABASE_URL=own_url), code=1, said=said)


@pytest.mark.parametrize("command", ["audit", "doctor"])
def test_looking_makes_no_database(kiti: Kiti, tmp_path: Path, command: str):
    done = kiti(command, KITI_DATA_DIR=str(tmp_path / "nothing"))
    assert done.code == 1
    assert "there is no database" in done.out + done.err
    assert not (tmp_path / "nothing" / "postgres").exists()


def test_the_doctor_says_what_is_well_and_what_to_do(kiti: Kiti, own_url: str):
    done = kiti("doctor", DATABASE_URL=own_url)
    assert (done.code, done.err) == (1, "")
    found = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert [(state, name) for state, name, _ in found] == [
        ("ok", "configuration"),
        ("FAIL", "database"),  # the tests' own, which a crash may empty
        ("ok", "migrations"),
        ("ok", "clock"),
        ("ok", "gateways"),  # in development none is needed
        ("ok", "mail"),
    ]
    said = {name: text for _, name, text in found}
    assert "fsync" in said["database"]
    assert "FLUTTERWAVE_SECRET_KEY" in said["gateways"]


def test_the_doctor_finds_no_database(kiti: Kiti):
    done = kiti("doctor", DATABASE_URL=NOWHERE)
    assert (done.code, done.err) == (1, "")
    assert re.search("^FAIL database .*DATABASE_URL", done.out, re.MULTILINE)


@pytest.mark.parametrize(
    "settings", [{"KITI_HOLD_MINUTES": SECRET}, {"APP_ENV": "production", "JWT_SECRET": SECRET}]
)
def test_the_doctor_names_the_setting_that_is_ill(in_process: Kiti, settings: dict[str, str]):
    done = in_process("doctor", **settings)
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("FAIL configuration")
    assert all(name in done.out for name in settings if name != "APP_ENV")
    assert SECRET not in done.out


async def test_the_audit_shows_the_rows_that_break_an_invariant(
    kiti: Kiti, cluster: Cluster, worker_id: str
):
    name = f"kiti_broken_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    db = await connect(url, size=2)
    trip = await make_stock(db)
    assert (await hold(db, make_request(trip))).outcome == "held"
    await db.close()
    conn = await asyncpg.connect(url)
    await conn.execute("UPDATE trip_inventory SET taken = taken & ~taken")  # forgets the hold
    await conn.close()
    said, listed = await asyncio.gather(
        asyncio.to_thread(kiti, "audit", DATABASE_URL=url),
        asyncio.to_thread(kiti, "audit", "--json", DATABASE_URL=url),
    )
    await cluster.drop_database(name)
    invariant = "held, sold, blocked and free are the seats of the layout"
    assert (said.code, said.out) == (1, f"BROKEN {invariant}: trip {trip.trip_id}\n")
    assert listed.code == 1
    assert httpx2.Response(200, text=listed.out).json() == {
        "holds": False,
        "findings": [{"invariant": invariant, "subject": f"trip {trip.trip_id}"}],
    }


async def test_three_migrations_at_once_do_it_once_and_a_fourth_finds_nothing(
    kiti: Kiti, empty_url: str
):
    done = await asyncio.gather(
        *(asyncio.to_thread(kiti, "migrate", DATABASE_URL=empty_url) for _ in range(3))
    )
    assert [(each.code, each.err) for each in done] == [(0, "")] * 3
    said = sorted(each.out for each in done)
    assert said[0] == "".join(f"applied {migration.name}\n" for migration in migrations())
    assert said[1:] == ["up to date\n"] * 2
    fourth = await asyncio.to_thread(kiti, "migrate", DATABASE_URL=empty_url)
    assert (fourth.code, fourth.out) == (0, "up to date\n")


async def test_a_schema_that_was_changed_by_hand_is_refused(kiti: Kiti, empty_url: str):
    await migrate(empty_url)
    conn = await asyncpg.connect(empty_url)
    await conn.execute("UPDATE schema_migration SET sha256 = 'other' WHERE name LIKE '0002%'")
    await conn.close()
    done = await asyncio.to_thread(kiti, "migrate", DATABASE_URL=empty_url)
    assert_one_line(done, code=1, said="0002_")
