"""Every fault on every call it can have; and what the tester sees of it."""

import asyncio
from typing import Any

import httpx2
import pytest

from kiti.sandbox.faults import POSSIBLE
from sandbox_driver import Driver, Receiver


async def test_a_lost_reply_to_create_still_made_the_link(sandbox: Driver) -> None:
    await sandbox.fault("create", "lose_reply")

    with pytest.raises(httpx2.RemoteProtocolError):
        await sandbox.create(tx_ref="BK-lost")

    path = (await sandbox.payment("BK-lost"))["path"]
    assert (await sandbox.submit(sandbox.url + path, "pay")).status_code == 303
    assert (await sandbox.by_reference("BK-lost")).json()["data"]["status"] == "successful"


async def test_an_error_after_create_still_made_the_link(sandbox: Driver) -> None:
    await sandbox.fault("create", "error_after")

    answer = await sandbox.call("POST", "/payments", json=sandbox.body(tx_ref="BK-503"))

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "error",
        "message": "An error occurred. Please contact support",
        "data": None,
    }
    assert (await sandbox.payment("BK-503"))["amount"] == 7500


async def test_a_dropped_create_made_nothing(sandbox: Driver) -> None:
    await sandbox.fault("create", "drop")

    with pytest.raises(httpx2.RemoteProtocolError):
        await sandbox.create(tx_ref="BK-dropped")

    answer = await sandbox.control("GET", "/payments", params={"reference": "BK-dropped"})
    assert answer.json() == {"items": []}


async def test_a_delayed_create_is_done_at_once_and_answered_late(sandbox: Driver) -> None:
    await sandbox.fault("create", "delay", delay_s=600)
    created = asyncio.create_task(sandbox.create(tx_ref="BK-slow"))
    await _until_known(sandbox, "BK-slow")
    assert not created.done()

    await sandbox.advance(600)

    assert await created


async def test_a_reordered_create_is_overtaken_by_the_next(sandbox: Driver) -> None:
    await sandbox.fault("create", "reorder", reference="BK-first", delay_s=600)
    first = asyncio.create_task(sandbox.create(tx_ref="BK-first"))
    await _until_called(sandbox, "create", 1)
    await sandbox.create(tx_ref="BK-second")
    await first

    items = (await sandbox.control("GET", "/payments")).json()["items"]
    assert [item["reference"] for item in items] == ["BK-first", "BK-second"]


async def test_a_reordered_call_alone_waits_no_longer_than_told(sandbox: Driver) -> None:
    await sandbox.fault("create", "reorder", delay_s=600)
    created = asyncio.create_task(sandbox.create())
    await _until_called(sandbox, "create", 1)

    await sandbox.advance(600)

    assert await created


@pytest.mark.parametrize(
    ("fault", "more", "shown"),
    [
        ("wrong_amount", {}, (7499.99, "NGN", "successful")),
        ("wrong_amount", {"amount": 9000}, (9000, "NGN", "successful")),
        ("wrong_currency", {}, (7500, "USD", "successful")),
        ("wrong_currency", {"currency": "KES"}, (7500, "KES", "successful")),
        ("succeed_late", {}, (7500, "NGN", "pending")),
    ],
)
async def test_a_fault_of_create_bends_the_money_that_comes(
    sandbox: Driver, fault: str, more: dict[str, Any], shown: tuple[object, ...]
) -> None:
    await sandbox.fault("create", fault, **more)

    found = await sandbox.verify(await sandbox.paid())

    assert (found["amount"], found["currency"], found["status"]) == shown
    await sandbox.advance(60)
    assert (await sandbox.verify(found["id"]))["status"] == "successful"


async def test_a_duplicate_charges_the_customer_twice(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.fault("create", "duplicate")
    await sandbox.paid(tx_ref="BK-double")

    told = {(await receiver.next()).body["data"]["id"] for _ in range(2)}

    charges = (await sandbox.payment("BK-double"))["charges"]
    assert [charge["status"] for charge in charges] == ["successful", "successful"]
    assert {charge["id"] for charge in charges} == told


@pytest.mark.parametrize("way", ["id", "reference"])
async def test_each_fault_of_verify_lasts_its_times(sandbox: Driver, way: str) -> None:
    charge_id = await sandbox.paid(tx_ref="BK-ask")

    async def ask() -> httpx2.Response:
        if way == "reference":
            return await sandbox.by_reference("BK-ask")
        return await sandbox.call("GET", f"/transactions/{charge_id}/verify")

    for fault in ("lose_reply", "drop"):
        await sandbox.fault("verify", fault, times=2)
        for _ in range(2):
            with pytest.raises(httpx2.RemoteProtocolError):
                await ask()
    await sandbox.fault("verify", "error_after")
    assert (await ask()).status_code == 503
    await sandbox.fault("verify", "wrong_amount")
    assert (await ask()).json()["data"]["amount"] == 7499.99
    await sandbox.fault("verify", "wrong_currency")
    assert (await ask()).json()["data"]["currency"] == "USD"
    await sandbox.fault("verify", "succeed_late")
    assert (await ask()).json()["data"]["status"] == "pending"
    await sandbox.fault("verify", "delay", delay_s=0.01)
    truth = (await ask()).json()["data"]
    assert (truth["amount"], truth["currency"], truth["status"]) == (7500, "NGN", "successful")


@pytest.mark.parametrize("fault", ["lose_reply", "error_after", "drop"])
async def test_a_refund_without_an_answer_is_there_or_not(sandbox: Driver, fault: str) -> None:
    charge_id = await sandbox.paid()
    await sandbox.fault("refund", fault)
    path = f"/transactions/{charge_id}/refund"

    try:
        answer = await sandbox.call("POST", path, json={"amount": 7500, "comments": "r-1"})
        assert answer.status_code == 503
    except httpx2.RemoteProtocolError:
        assert fault != "error_after"

    rows = (await sandbox.call("GET", "/refunds")).json()["data"]
    assert [row["comments"] for row in rows] == ([] if fault == "drop" else ["r-1"])


@pytest.mark.parametrize("fault", ["delay", "reorder"])
async def test_a_webhook_can_come_late(sandbox: Driver, receiver: Receiver, fault: str) -> None:
    await sandbox.fault("webhook", fault, delay_s=600)
    await sandbox.paid(tx_ref="BK-1")
    assert receiver.is_empty()

    if fault == "delay":
        await sandbox.advance(600)
    else:
        await sandbox.paid(tx_ref="BK-2")
        assert (await receiver.next()).body["data"]["tx_ref"] == "BK-2"

    assert (await receiver.next()).body["data"]["tx_ref"] == "BK-1"


async def test_a_webhook_can_come_many_times(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.fault("webhook", "duplicate", copies=5)
    await sandbox.paid(tx_ref="BK-many")

    assert len({(await receiver.next()).raw for _ in range(5)}) == 1
    assert len(await sandbox.webhooks("BK-many")) == 5


async def test_a_webhook_can_be_dropped(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.fault("webhook", "drop")
    await sandbox.paid(tx_ref="BK-mute")
    await sandbox.paid(tx_ref="BK-said")

    assert (await receiver.next()).body["data"]["tx_ref"] == "BK-said"
    assert [one["state"] for one in await sandbox.webhooks("BK-mute")] == ["dropped"]


@pytest.mark.parametrize("fault", ["lose_reply", "error_after"])
async def test_a_webhook_whose_answer_is_lost_comes_again(
    sandbox: Driver, receiver: Receiver, fault: str
) -> None:
    await sandbox.options(webhook_retries_s=[0])
    await sandbox.fault("webhook", fault)
    await sandbox.paid()

    first, second = await receiver.next(), await receiver.next()

    assert first.raw == second.raw


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("wrong_amount", (7499.99, "NGN", "successful")),
        ("wrong_currency", (7500, "USD", "successful")),
        ("succeed_late", (7500, "NGN", "pending")),
    ],
)
async def test_a_webhook_can_lie_while_verify_tells_the_truth(
    sandbox: Driver, receiver: Receiver, fault: str, shown: tuple[object, ...]
) -> None:
    await sandbox.fault("webhook", fault)
    charge_id = await sandbox.paid()

    told = (await receiver.next()).body["data"]
    truth = await sandbox.verify(charge_id)

    assert (told["amount"], told["currency"], told["status"]) == shown
    assert (truth["amount"], truth["currency"], truth["status"]) == (7500, "NGN", "successful")
    if fault == "succeed_late":
        await sandbox.advance(60)
        assert (await receiver.next()).body["data"]["status"] == "successful"


async def test_a_fault_can_be_for_one_reference_alone(sandbox: Driver) -> None:
    await sandbox.fault("create", "error_after", reference="BK-mine")

    await sandbox.create(tx_ref="BK-theirs")
    answer = await sandbox.call("POST", "/payments", json=sandbox.body(tx_ref="BK-mine"))

    assert answer.status_code == 503


async def test_faults_come_in_their_order_and_can_be_taken_back(sandbox: Driver) -> None:
    await sandbox.fault("create", "error_after", times=2)
    await sandbox.fault("create", "drop")
    await sandbox.call("POST", "/payments", json=sandbox.body())

    items = (await sandbox.control("GET", "/faults")).json()["items"]
    assert [(item["fault"], item["left"]) for item in items] == [("error_after", 1), ("drop", 1)]
    assert (await sandbox.control("DELETE", "/faults")).status_code == 204
    assert await sandbox.create()
    assert (await sandbox.control("GET", "/faults")).json() == {"items": []}


async def test_a_refused_call_uses_up_no_fault(sandbox: Driver) -> None:
    await sandbox.fault("create", "error_after")

    await sandbox.call("POST", "/payments", json={})

    assert len((await sandbox.control("GET", "/faults")).json()["items"]) == 1


@pytest.mark.parametrize("call", list(POSSIBLE))
async def test_every_possible_fault_is_taken(sandbox: Driver, call: str) -> None:
    for fault in POSSIBLE[call]:  # pyright: ignore[reportArgumentType]
        await sandbox.fault(call, fault)


@pytest.mark.parametrize(
    "changes",
    [
        {"gateway": "paystack"},
        {"call": "login"},
        {"fault": "explode"},
        {"call": "verify", "fault": "fail_refund"},
        {"times": 0},
        {"times": 1001},
        {"delay_s": -1},
        {"surprise": 1},
        {"call": ...},
    ],
)
async def test_an_order_that_cannot_be_is_refused(sandbox: Driver, changes: dict[str, Any]) -> None:
    order = {"gateway": "flutterwave", "call": "create", "fault": "delay"} | changes
    order = {name: value for name, value in order.items() if value is not ...}

    answer = await sandbox.control("POST", "/faults", json=order)

    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_calls_are_counted(sandbox: Driver) -> None:
    await sandbox.verify(await sandbox.paid())
    await sandbox.by_reference("nobody")

    counts = (await sandbox.control("GET", "/calls")).json()

    assert counts == {"flutterwave": {"create": 1, "submit": 1, "verify": 2}, "stripe": {}}


async def _until_known(sandbox: Driver, reference: str) -> None:
    async with asyncio.timeout(10):
        params = {"reference": reference}
        while not (await sandbox.control("GET", "/payments", params=params)).json()["items"]:
            pass


async def _until_called(sandbox: Driver, call: str, count: int) -> None:
    async with asyncio.timeout(10):
        while True:
            calls = (await sandbox.control("GET", "/calls")).json()["flutterwave"]
            if calls.get(call, 0) >= count:
                return
