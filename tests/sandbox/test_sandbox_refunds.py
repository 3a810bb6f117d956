"""Refunds on the simulated Flutterwave."""

import httpx2
import pytest

from sandbox_driver import Driver, Receiver


async def _refund(sandbox: Driver, charge_id: int, **body: object) -> httpx2.Response:
    return await sandbox.call("POST", f"/transactions/{charge_id}/refund", json=body)


async def test_a_refund_is_made_and_can_be_read_back(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)

    answer = await _refund(sandbox, charge_id, amount=6900, comments="our-refund-1")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["message"]) == ("success", "Transaction refund initiated")
    made = body["data"]
    assert (made["tx_id"], made["amount_refunded"], made["status"]) == (
        charge_id,
        6900,
        "completed",
    )
    assert made["flw_ref"] == (await sandbox.verify(charge_id))["flw_ref"]
    assert made["destination"] == "payment_source"
    assert made["meta"] == {"source": "availablebalance"}
    listed = (await sandbox.call("GET", "/refunds")).json()
    assert listed["meta"]["page_info"]["total"] == 1
    row = listed["data"][0]
    assert (row["id"], row["transaction_id"], row["comments"]) == (
        made["id"],
        charge_id,
        "our-refund-1",
    )
    one = (await sandbox.call("GET", f"/refunds/{made['id']}")).json()
    assert one["data"] == row


async def test_without_an_amount_all_that_is_left_goes_back(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)
    await _refund(sandbox, charge_id, amount=1000.5)

    rest = await sandbox.call("POST", f"/transactions/{charge_id}/refund")

    assert rest.json()["data"]["amount_refunded"] == 6499.5


async def test_the_same_refund_asked_twice_is_given_twice(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)

    first = await _refund(sandbox, charge_id, amount="3000", comments="our-refund-2")
    second = await _refund(sandbox, charge_id, amount="3000", comments="our-refund-2")

    assert first.json()["data"]["id"] != second.json()["data"]["id"]
    assert (await sandbox.call("GET", "/refunds")).json()["meta"]["page_info"]["total"] == 2


@pytest.mark.parametrize("amount", [7500.01, 7501, 0, -1, "all", 1.001])
async def test_more_than_is_left_or_nonsense_is_refused(sandbox: Driver, amount: object) -> None:
    charge_id = await sandbox.paid(amount=7500)

    answer = await _refund(sandbox, charge_id, amount=amount)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert (await sandbox.call("GET", "/refunds")).json()["data"] == []


async def test_a_second_full_refund_is_refused(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)
    await _refund(sandbox, charge_id, amount=7500)

    assert (await _refund(sandbox, charge_id, amount=0.01)).status_code == 400
    assert (await _refund(sandbox, charge_id)).status_code == 400


async def test_only_a_successful_transaction_can_be_refunded(sandbox: Driver) -> None:
    link = await sandbox.create(tx_ref="BK-unpaid")
    await sandbox.submit(link, "decline")
    failed = (await sandbox.payment("BK-unpaid"))["charges"][0]["id"]

    assert (await _refund(sandbox, failed, amount=1)).status_code == 400
    unknown = await _refund(sandbox, 1, amount=1)
    assert unknown.json()["message"] == "No transaction was found for this id"
    assert (await sandbox.call("GET", "/refunds/1")).status_code == 400


async def test_a_failed_refund_leaves_the_money_refundable(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)
    await sandbox.fault("refund", "fail_refund")

    failed = await _refund(sandbox, charge_id, amount=7500)
    again = await _refund(sandbox, charge_id, amount=7500)

    assert (failed.status_code, failed.json()["data"]["status"]) == (200, "failed")
    assert again.json()["data"]["status"] == "completed"


async def test_a_refund_can_fail_later_or_be_refused(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)
    await sandbox.fault("refund", "fail_refund", delay_s=300)
    await sandbox.fault("refund", "fail_refund", refuse=True)

    taken = (await _refund(sandbox, charge_id, amount=7500)).json()["data"]
    await sandbox.advance(300)
    ended = (await sandbox.call("GET", f"/refunds/{taken['id']}")).json()["data"]
    refused = await _refund(sandbox, charge_id, amount=7500)

    assert (taken["status"], ended["status"]) == ("processing", "failed")
    assert refused.status_code == 400
    assert "balance" in refused.json()["message"]


async def test_a_refund_can_take_its_time(sandbox: Driver, receiver: Receiver) -> None:
    await sandbox.options(refund_webhooks=True)
    charge_id = await sandbox.paid(amount=7500)
    await receiver.next()
    await sandbox.fault("refund", "succeed_late", delay_s=300)

    taken = (await _refund(sandbox, charge_id, amount=7500)).json()["data"]
    assert (await _refund(sandbox, charge_id, amount=1)).status_code == 400
    await sandbox.advance(300)

    told = (await receiver.next()).body
    assert taken["status"] == "processing"
    assert (told["id"], told["status"], told["TransactionId"]) == (
        taken["id"],
        "completed",
        charge_id,
    )


async def test_refund_webhooks_are_off_unless_asked_for(
    sandbox: Driver, receiver: Receiver
) -> None:
    charge_id = await sandbox.paid(tx_ref="BK-quiet", amount=7500)
    await receiver.next()
    await _refund(sandbox, charge_id, amount=1000)
    await sandbox.options(refund_webhooks=True)
    await _refund(sandbox, charge_id, amount=2000, comments="told")

    told = (await receiver.next()).body
    assert (told["AmountRefunded"], told["comments"]) == (2000, "told")
    assert isinstance(told["meta"], str)
    assert "event" not in told
    events = [one["event"] for one in await sandbox.webhooks("BK-quiet")]
    assert events == ["charge.completed", "refund"]


async def test_a_refund_may_differ_from_what_was_asked(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=7500)
    await sandbox.fault("refund", "wrong_amount")
    await sandbox.fault("refund", "duplicate")

    less = await _refund(sandbox, charge_id, amount=1000)
    await _refund(sandbox, charge_id, amount=2000)

    assert less.json()["data"]["amount_refunded"] == 999.99
    rows = (await sandbox.call("GET", "/refunds")).json()["data"]
    assert [row["amount_refunded"] for row in rows] == [2000, 2000, 999.99]
