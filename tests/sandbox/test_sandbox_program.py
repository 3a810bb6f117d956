"""The sandbox as a program: its settings, its start and stop, and that it stands alone."""

import ast
import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import kiti.sandbox
from kiti.sandbox import SandboxSettings, create_app, load_sandbox_settings, serving
from sandbox_driver import SECRET_KEY, Driver

FOLDER = Path(kiti.sandbox.__file__).parent


def test_it_imports_nothing_of_the_product() -> None:
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] != "kiti" or name.startswith("kiti.sandbox"), path


def test_settings_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "APP_URL=http://127.0.0.1:9000/\n"
        "FLUTTERWAVE_SECRET_KEY=from-file\n"
        "FLUTTERWAVE_WEBHOOK_SECRET_HASH=hash-from-file\n"
    )
    environment = {"FLUTTERWAVE_SECRET_KEY": "from-environment", "APP_URL": ""}

    settings = load_sandbox_settings(environment, dotenv)

    assert settings.app_url == "http://127.0.0.1:9000"
    assert settings.flutterwave_secret_key == "from-environment"
    assert settings.flutterwave_webhook_secret_hash == "hash-from-file"
    assert "from-" not in repr(settings)


def test_without_settings_it_calls_home_to_the_usual_address(tmp_path: Path) -> None:
    assert load_sandbox_settings({}, tmp_path / ".env") == SandboxSettings()


async def test_without_a_secret_key_every_call_is_refused() -> None:
    async with serving(SandboxSettings()) as url, httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{url}/flutterwave/v3/payments", headers={"authorization": "Bearer x"}
        )

    assert answer.status_code == 401


async def test_links_use_the_public_address_when_there_is_one() -> None:
    settings = SandboxSettings(public_url="https://pay.example", flutterwave_secret_key=SECRET_KEY)
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        link = await Driver(client, url).create()

    assert link.startswith("https://pay.example/flutterwave/v3/hosted/pay/")


async def test_it_stops_while_calls_and_webhooks_hang() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings = SandboxSettings(
            app_url=f"http://127.0.0.1:{deaf.getsockname()[1]}",
            flutterwave_secret_key=SECRET_KEY,
        )
        async with (
            asyncio.timeout(10),
            httpx2.AsyncClient(trust_env=False) as client,
            serving(settings) as url,
        ):
            driver = Driver(client, url)
            await driver.paid(tx_ref="BK-deaf")
            assert (await driver.webhooks("BK-deaf"))[0]["state"] == "waiting"
            await driver.submit(await driver.create(), "pay_late")


async def test_a_taken_port_is_an_error(sandbox: Driver) -> None:
    port = httpx2.URL(sandbox.url).port
    assert port is not None

    with pytest.raises(OSError, match="in use"):
        async with serving(SandboxSettings(), port=port):
            pass


async def test_doubled_slashes_and_unknown_paths(sandbox: Driver) -> None:
    charge_id = await sandbox.paid()

    doubled = await sandbox.call("GET", f"//transactions//{charge_id}/verify")
    unknown = await sandbox.call("GET", "/nothing")
    wrong = await sandbox.call("DELETE", "/payments")

    assert doubled.status_code == 200
    assert unknown.status_code == 404
    assert unknown.json() == {
        "status": "error",
        "message": "Cannot GET /flutterwave/v3/nothing",
        "data": None,
    }
    assert wrong.status_code == 404


async def test_under_a_server_that_cannot_cut_the_answer_breaks_off() -> None:
    settings = SandboxSettings(flutterwave_secret_key=SECRET_KEY)
    transport = httpx2.ASGITransport(create_app(settings), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        driver = Driver(client, "http://sandbox")
        await driver.fault("create", "drop")
        with pytest.raises(AssertionError):
            await driver.create()


@pytest.mark.parametrize(("number", "code_at_end"), [(signal.SIGINT, 0), (signal.SIGTERM, -15)])
async def test_the_program_serves_says_where_and_ends_by_a_signal(
    number: signal.Signals, code_at_end: int
) -> None:
    code = "from kiti.sandbox import run, SandboxSettings as S; run(port=0, settings=S())"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            first = (await process.stdout.readline()).decode()
            url = first.removeprefix("sandbox: ").strip()
            async with httpx2.AsyncClient(trust_env=False) as client:
                while True:
                    try:
                        answer = await client.get(f"{url}/healthz")
                        break
                    except httpx2.TransportError:
                        continue
            process.send_signal(number)
            said = (await process.stdout.read()).decode()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert (answer.status_code, answer.text) == (200, "ok")
    assert process.returncode == code_at_end
    assert "flutterwave: off, FLUTTERWAVE_SECRET_KEY is not set" in said
