"""Settlements and chargebacks on the simulated Flutterwave."""

import json
from typing import Any

from sandbox_driver import Driver


async def _settle(sandbox: Driver) -> list[dict[str, Any]]:
    return (await sandbox.control("POST", "/flutterwave/settlements")).json()["items"]


async def test_a_settlement_adds_up_and_names_its_transactions(sandbox: Driver) -> None:
    ids = [await sandbox.paid(amount=2500), await sandbox.paid(amount=10000)]
    refund = await sandbox.call("POST", f"/transactions/{ids[0]}/refund", json={"amount": 500})
    lost = {"transaction_id": ids[1], "amount": 3000, "due_s": 10}
    chargeback = (await sandbox.control("POST", "/flutterwave/chargebacks", json=lost)).json()
    await sandbox.advance(10)

    await _settle(sandbox)

    listed = (await sandbox.call("GET", "/settlements")).json()
    assert listed["message"] == "Settlements fetched"
    assert listed["meta"]["page_info"]["total"] == 1
    row = listed["data"][0]
    assert (row["status"], row["currency"], row["transaction_count"]) == ("completed", "NGN", 2)
    assert (row["gross_amount"], row["refund"], row["chargeback"]) == (12500, 500, 3000)
    assert row["app_fee"] == 37.63 + 150.5
    parts = row["gross_amount"] - row["app_fee"] - row["merchant_fee"] - row["chargeback"]
    assert row["net_amount"] == parts - row["refund"] - row["stampduty_charge"]
    assert row["meta"] == ids
    assert row["refund_meta"] == [refund.json()["data"]["id"]]
    assert row["chargeback_meta"] == [chargeback["id"]]


async def test_one_settlement_read_alone_has_its_transactions(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=2500)
    made = (await _settle(sandbox))[0]

    one = (await sandbox.call("GET", f"/settlements/{made['id']}")).json()["data"]

    assert json.loads(one["meta"]) == [charge_id]
    assert one["transactions"][0]["id"] == charge_id
    assert one["transactions"][0]["settlement_amount"] == 2462.37
    assert (await sandbox.call("GET", "/settlements/1")).status_code == 400


async def test_nothing_is_settled_twice_and_currencies_apart(sandbox: Driver) -> None:
    await sandbox.paid(amount=2500)
    await sandbox.paid(amount=2500, currency="KES")
    await sandbox.submit(await sandbox.create(), "decline")

    first, second = await _settle(sandbox), await _settle(sandbox)

    assert sorted(one["currency"] for one in first) == ["KES", "NGN"]
    assert second == []


async def test_a_refund_after_the_settlement_comes_off_the_next(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=2500)
    await _settle(sandbox)
    await sandbox.call("POST", f"/transactions/{charge_id}/refund", json={"amount": 2500})

    later = (await _settle(sandbox))[0]

    assert (later["gross_amount"], later["refund"], later["net_amount"]) == (0, 2500, -2500)


async def test_a_chargeback_is_listed_and_answered_once(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(tx_ref="BK-dispute", amount=3000)
    order = {"transaction_id": charge_id}
    made = (await sandbox.control("POST", "/flutterwave/chargebacks", json=order)).json()

    flw_ref = (await sandbox.verify(charge_id))["flw_ref"]
    listed = await sandbox.call("GET", f"/chargebacks?status=initiated&flw_ref={flw_ref}")
    row = listed.json()["data"][0]
    assert (row["id"], row["amount"], row["tx_ref"]) == (made["id"], 3000, "BK-dispute")
    assert (row["status"], row["stage"], row["transaction_id"]) == ("initiated", "new", charge_id)
    assert row["due_date"] > row["created_at"]

    path = f"/chargebacks/{made['id']}"
    wrong = await sandbox.call("PUT", path, json={"action": "ignore", "comment": "no"})
    right = {"action": "decline", "comment": "Boarded", "proof": "https://bus.example/proof.png"}
    done = await sandbox.call("PUT", path, json=right)
    again = await sandbox.call("PUT", path, json=right)

    assert (wrong.status_code, done.status_code, again.status_code) == (400, 200, 400)
    assert done.json() == {"status": "success", "message": "Chargeback declined", "data": None}
    row = (await sandbox.call("GET", "/chargebacks?status=declined")).json()["data"][0]
    assert row["meta"]["uploaded_proof"] == "https://bus.example/proof.png"
    assert [entry["action"] for entry in row["meta"]["history"]] == ["initiated", "declined"]


async def test_an_unanswered_chargeback_is_lost_when_due(sandbox: Driver) -> None:
    order = {"transaction_id": await sandbox.paid(), "due_s": 100}
    await sandbox.control("POST", "/flutterwave/chargebacks", json=order)
    await sandbox.advance(99)
    before = (await sandbox.call("GET", "/chargebacks")).json()["data"][0]["status"]
    await sandbox.advance(1)
    after = (await sandbox.call("GET", "/chargebacks")).json()["data"][0]["status"]

    assert (before, after) == ("initiated", "lost")


async def test_a_chargeback_needs_a_paid_transaction_and_no_more_than_it(sandbox: Driver) -> None:
    charge_id = await sandbox.paid(amount=100)
    for order in ({"transaction_id": 1}, {"transaction_id": charge_id, "amount": 101}, {}):
        answer = await sandbox.control("POST", "/flutterwave/chargebacks", json=order)
        assert answer.status_code == 422
    assert (await sandbox.call("PUT", "/chargebacks/1", json={})).status_code == 400
