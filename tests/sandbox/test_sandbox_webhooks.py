"""Webhooks of the simulated Flutterwave: what is sent, signed how, and sent again when."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from kiti.sandbox.flutterwave.notices import signature
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver, Receiver

GOLDENS = Path(__file__).parents[2].parent / "shared" / "data" / "goldens" / "signatures.json"


async def test_a_payment_is_told_with_the_secret_hash(sandbox: Driver, receiver: Receiver) -> None:
    charge_id = await sandbox.paid(tx_ref="BK-told", amount=2500)

    told = await receiver.next()

    assert told.path == "/api/payments/webhook/flutterwave"
    assert told.headers["verif-hash"] == SECRET_HASH
    assert "flutterwave-signature" not in told.headers
    assert told.headers["content-type"] == "application/json"
    assert told.body["event"] == "charge.completed"
    assert told.body["event.type"] == "CARD_TRANSACTION"
    data = told.body["data"]
    assert (data["id"], data["tx_ref"], data["status"]) == (charge_id, "BK-told", "successful")
    assert (data["amount"], data["app_fee"]) == (2500, 35)


async def test_a_declined_card_is_completed_and_failed(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.submit(await sandbox.create(), "decline")

    told = (await receiver.next()).body
    assert (told["event"], told["data"]["status"]) == ("charge.completed", "failed")


async def test_cancelling_is_not_told(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.submit(await sandbox.create(tx_ref="BK-hush"), "cancel")
    await sandbox.paid(tx_ref="BK-loud")

    assert (await receiver.next()).body["data"]["tx_ref"] == "BK-loud"
    assert await sandbox.webhooks("BK-hush") == []


@pytest.mark.parametrize("version", ["v4", "both"])
async def test_the_newer_signature_covers_the_raw_body(
    sandbox: Driver, receiver: Receiver, version: str
) -> None:
    await sandbox.options(webhook_signature=version)
    await sandbox.paid()

    told = await receiver.next()

    digest = hmac.new(SECRET_HASH.encode(), told.raw, hashlib.sha256).digest()
    assert told.headers["flutterwave-signature"] == base64.b64encode(digest).decode()
    assert ("verif-hash" in told.headers) is (version == "both")


def test_the_newer_signature_is_the_published_one() -> None:
    if not GOLDENS.is_file():
        pytest.fail(f"the golden figures are not beside the checkout: {GOLDENS.name}")
    golden = json.loads(GOLDENS.read_text())["flutterwave_v4_hmac"]

    assert golden["header"] == "flutterwave-signature"
    assert signature(golden["body"].encode(), golden["secret_hash"]) == golden["value"]


async def test_the_flat_shape_has_no_envelope(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.options(webhook_shape="flat")
    charge_id = await sandbox.paid(tx_ref="BK-flat", amount=3100)

    told = (await receiver.next()).body
    assert "event" not in told
    assert (told["id"], told["txRef"], told["status"]) == (charge_id, "BK-flat", "successful")
    assert (told["amount"], told["charged_amount"], told["appfee"]) == (3100, 3100, 43.4)
    assert told["event.type"] == "CARD_TRANSACTION"


@pytest.mark.parametrize("status", [500, 302, 201])
async def test_anything_but_200_is_tried_again(
    sandbox: Driver, receiver: Receiver, status: int
) -> None:
    receiver.answers.extend([status, status])
    await sandbox.paid(tx_ref="BK-again")

    tries = [await receiver.next()]
    await sandbox.advance(1)
    tries.append(await receiver.next())
    await sandbox.advance(5)
    tries.append(await receiver.next())

    assert len({told.raw for told in tries}) == 1
    delivery = (await sandbox.webhooks("BK-again"))[0]
    assert [one["status"] for one in delivery["tries"]][:2] == [status, status]


async def test_tries_end_and_the_sandbox_says_so(sandbox: Driver, receiver: Receiver) -> None:
    receiver.answers.extend([503] * 3)
    await sandbox.options(webhook_retries_s=[0, 0])
    await sandbox.paid(tx_ref="BK-never")
    for _ in range(3):
        await receiver.next()

    await sandbox.paid(tx_ref="BK-next")
    assert (await receiver.next()).body["data"]["tx_ref"] == "BK-next"
    delivery = (await sandbox.webhooks("BK-never"))[0]
    assert delivery["state"] == "failed"
    assert [one["status"] for one in delivery["tries"]] == [503] * 3


async def test_resend_hook_tells_again(sandbox: Driver, receiver: Receiver) -> None:
    charge_id = await sandbox.paid()
    first = await receiver.next()

    answer = await sandbox.call("POST", f"/transactions/{charge_id}/resend-hook")

    assert answer.json() == {
        "status": "success",
        "message": "hook sent successfully",
        "data": "hook sent",
    }
    assert (await receiver.next()).body == first.body
    assert (await sandbox.call("POST", "/transactions/1/resend-hook")).status_code == 400


async def test_money_out_of_nowhere_is_told(sandbox: Driver, receiver: Receiver) -> None:
    order = {"tx_ref": "nobody-knows", "amount": 500, "currency": "KES"}
    made = await sandbox.control("POST", "/flutterwave/charges", json=order)

    told = (await receiver.next()).body["data"]
    assert (made.status_code, told["tx_ref"], told["amount"]) == (201, "nobody-knows", 500)
    without = await sandbox.control("POST", "/flutterwave/charges", json={"tx_ref": "nothing"})
    assert without.status_code == 422


async def test_no_secret_leaves_by_the_controls(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.paid()
    await receiver.next()

    for path in ("/webhooks", "/payments", "/flutterwave/options", "/calls", "/faults"):
        text = (await sandbox.control("GET", path)).text
        assert SECRET_HASH not in text
        assert SECRET_KEY not in text
