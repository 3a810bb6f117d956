"""`make run` as a user meets it: one command, the calls it prints, Ctrl-C, and again."""

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from embedded_commands import children_of, is_free, kill, wait_for_end
from kiti.app.welcome import until_they_answer
from shop import Shop
from waiting import until

BEGIN, END = "# --- five calls", "# --- end ---"


def printed_calls(shop: Shop) -> str:
    """What stands ready to paste, as it was printed."""
    said = shop.product.said.read_text("utf-8")
    assert said.count(BEGIN) == said.count(END) == 1, said
    return said[said.index(BEGIN) : said.index(END)]


async def demo_token(shop: Shop) -> str:
    body = {"email": "passenger@kiti.example", "password": "kiti-demo-2026"}
    answer = await shop.post("/api/auth/login", body)
    assert answer.status_code == 200, answer.text
    return answer.json()["accessToken"]


async def test_the_five_printed_calls_pasted_into_a_shell_sell_two_seats(demo: Shop):
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-e"],
        input=printed_calls(demo),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    held, availability, payment, status, job = done.stdout.splitlines()
    booked = json.loads(held)
    assert len(booked["seatNumbers"]) == 2
    assert f'"tripId":"{booked["tripId"]}"' in availability
    assert json.loads(payment)["amount"] == booked["total"]["amount"]
    assert json.loads(status)["bookingId"] == booked["bookingId"]
    assert json.loads(job)["status"] == "DONE"
    booking = await demo.confirmed(booked, await demo_token(demo))
    assert [seat["status"] for seat in booking["seats"]] == ["SOLD", "SOLD"]
    assert len(booking["tickets"]) == 2
    assert [payment["status"] for payment in booking["payments"]] == ["SUCCEEDED"]


async def test_it_tells_its_address_and_the_accounts(demo: Shop):
    said = demo.product.said.read_text("utf-8")
    assert f"Kiti runs on {demo.product.url} " in said
    for role in ("passenger", "agent", "operator", "finance", "admin"):
        email = f"{role}@kiti.example"
        assert email in said
        answer = await demo.post("/api/auth/login", {"email": email, "password": "kiti-demo-2026"})
        assert answer.status_code == 200, answer.text
    assert (await demo.get("/docs")).status_code == 200
    assert (await demo.get("/openapi.json")).json()["openapi"].startswith("3.1")


async def test_it_says_that_it_runs_once_everything_answers(demo: Shop):
    """Said before, a payment begun at once met no gateway."""
    said = demo.product.said.read_text("utf-8")
    assert said.index("sandbox: http") < said.index("Kiti runs on")


async def test_readiness_is_waited_for_through_every_other_answer():
    answers = [503, 404, 200]

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": answers.pop(0), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    waiting = asyncio.create_task(until_they_answer([f"{url}/readyz"]))
    with socket.create_server(("127.0.0.1", httpx2.URL(url).port or 0)) as listener:
        config = uvicorn.Config(app, lifespan="off", log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            await waiting
        server.should_exit = True
        await serving
    assert answers == []


@pytest.mark.parametrize(
    ("origin", "destination", "currency"),
    [
        ("Lagos", "Ibadan", "NGN"),
        ("Lagos", "Abuja", "NGN"),
        ("Accra", "Kumasi", "GHS"),
        ("Nairobi", "Mombasa", "KES"),
    ],
)
async def test_there_are_trips_for_thirty_days(
    demo: Shop, origin: str, destination: str, currency: str
):
    one, other = await demo.place(origin), await demo.place(destination)
    for days in (1, 15, 30):
        found = await demo.search(one["id"], other["id"], demo.day(days))
        assert found, f"no trip from {origin} in {days} days"
        assert {trip["price"]["currency"] for trip in found} == {currency}


async def test_ctrl_c_ends_every_process_and_the_next_start_has_the_same_data(demo: Shop):
    trip = await demo.fresh_trip()
    (seat, *_) = await demo.statuses(trip)
    held = await demo.hold(trip, [seat])
    processes = children_of(demo.product.pid)
    assert len(processes) == 4  # database, sandbox, worker, server
    assert await demo.product.stop() == 0
    for pid in processes:
        wait_for_end(pid)
    assert is_free(demo.product.data_dir / "postgres")
    await demo.product.start()
    assert (await demo.booking(held))["status"] == "HELD"
    assert (await demo.statuses(trip))[seat] == "HELD"


async def test_a_killed_worker_is_started_again_and_the_money_is_taken_notice_of(demo: Shop):
    """Nobody asks for the payment's status: the webhook's job alone confirms."""
    (worker,) = demo.product.children("child_worker")
    held = await demo.hold(await demo.fresh_trip(), count=2)
    kill(worker)
    await demo.pay(held)

    async def is_back() -> bool:
        return demo.product.children("child_worker") not in ([], [worker])

    await until(is_back, seconds=60)
    booking = await demo.confirmed(held)
    assert len(booking["tickets"]) == 2
    assert await demo.audit() == []


async def test_the_doctor_is_content_with_all_that_is_there(demo: Shop):
    done = await demo.product.run(
        "doctor",
        FLUTTERWAVE_SECRET_KEY="FLWSECK_TEST-of-the-doctor-X",
        FLUTTERWAVE_WEBHOOK_SECRET_HASH="a-hash-of-the-doctor",
        FLUTTERWAVE_BASE_URL=f"{demo.product.sandbox_url}/flutterwave/v3",
    )
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["ok"] * 6
    assert "PostgreSQL 18" in done.out
    assert "flutterwave answers" in done.out


async def test_nothing_is_written_but_the_data_folder(demo: Shop):
    written = {path.name for path in demo.product.folder.iterdir()}
    assert written == {demo.product.data_dir.name, "out", "err"}
    secrets = list((demo.product.data_dir / "secrets").iterdir())
    assert len(secrets) >= 4
    assert [path.name for path in secrets if path.stat().st_mode & 0o077] == []


def test_the_calls_use_nothing_but_sh_curl_and_sed(demo: Shop):
    words = set(printed_calls(demo).replace("(", " ").replace("|", " ").split())
    assert {"curl", "sed"} <= words
    assert not words & {"jq", "python", "python3", "bash", "awk", "perl", "grep"}
    assert Path("/bin/sh").exists()
