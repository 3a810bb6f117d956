"""The simulated Flutterwave's hosted page: what a person, or curl, can do there."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox_driver import Driver, Receiver


async def test_the_page_is_plain_safe_html_with_the_amount(sandbox: Driver) -> None:
    link = await sandbox.create(
        tx_ref="BK-<b>", amount=1234567.5, customizations={"title": "<script>Acme</script>"}
    )

    answer = await sandbox.client.get(link)

    assert answer.status_code == 200
    html = answer.text
    assert "1,234,567.50 NGN" in html
    assert "<script" not in html
    assert "BK-&lt;b&gt;" in html
    assert '<html lang="en">' in html
    assert html.count("<h1>") == 1
    assert 'name="viewport"' in html
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    labels = set(re.findall(r'<label for="(\w+)"', html))
    assert set(re.findall(r'<input id="(\w+)"', html)) <= labels
    actions = re.findall(r'<button name="action" value="(\w+)">', html)
    assert sorted(actions) == ["cancel", "decline", "pay", "pay_late", "pay_wrong_amount"]


@pytest.mark.parametrize(
    ("action", "status", "charges"),
    [
        ("pay", "successful", 1),
        ("decline", "failed", 1),
        ("cancel", "cancelled", 0),
        ("pay_late", "pending", 1),
        ("pay_wrong_amount", "successful", 1),
    ],
)
async def test_each_action_leads_back_to_the_merchant(
    sandbox: Driver, action: str, status: str, charges: int
) -> None:
    link = await sandbox.create(tx_ref="BK-back")

    answer = await sandbox.submit(link, action)

    assert answer.status_code == 303
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://bus.example/pay/return"
    query = parse_qs(parts.query)
    assert query["lang"] == ["en"]
    assert (query["status"], query["tx_ref"]) == ([status], ["BK-back"])
    made = (await sandbox.payment("BK-back"))["charges"]
    assert len(made) == charges
    assert [str(charge["id"]) for charge in made] == query.get("transaction_id", [])


async def test_without_a_redirect_url_there_is_a_last_page(sandbox: Driver) -> None:
    link = await sandbox.create(redirect_url=...)

    answer = await sandbox.submit(link, "pay")

    assert answer.status_code == 200
    assert "Payment successful" in answer.text


async def test_cancelling_leaves_nothing_to_find_and_the_link_open(sandbox: Driver) -> None:
    link = await sandbox.create(tx_ref="BK-cancel")
    await sandbox.submit(link, "cancel")

    assert (await sandbox.by_reference("BK-cancel")).status_code == 400
    assert (await sandbox.submit(link, "pay")).status_code == 303
    assert (await sandbox.by_reference("BK-cancel")).json()["data"]["status"] == "successful"


async def test_a_wrong_amount_is_one_minor_unit_less(sandbox: Driver) -> None:
    for currency, amount, paid in [("NGN", 7500, 7499.99), ("UGX", 7500, 7499)]:
        reference = f"BK-less-{currency}"
        link = await sandbox.create(tx_ref=reference, amount=amount, currency=currency)
        await sandbox.submit(link, "pay_wrong_amount")

        found = (await sandbox.by_reference(reference)).json()["data"]
        assert (found["status"], found["amount"]) == ("successful", paid)


async def test_late_money_is_pending_until_its_time(sandbox: Driver, receiver: Receiver) -> None:
    link = await sandbox.create(tx_ref="BK-late", link_expiration=_in(seconds=30))
    await sandbox.submit(link, "pay_late")
    await sandbox.advance(59)
    before = (await sandbox.by_reference("BK-late")).json()["data"]
    assert receiver.is_empty()

    await sandbox.advance(1)

    assert (await receiver.next()).body["data"]["status"] == "successful"
    after = (await sandbox.by_reference("BK-late")).json()["data"]
    assert (before["status"], after["status"]) == ("pending", "successful")
    assert (before["amount_settled"], before["id"]) == (None, after["id"])


async def test_late_money_takes_its_delay_from_the_form(
    sandbox: Driver, receiver: Receiver
) -> None:
    await sandbox.submit(await sandbox.create(), "pay_late", delay_s="0.05")

    assert (await receiver.next()).body["data"]["status"] == "successful"


async def test_a_second_click_on_pay_charges_nothing(sandbox: Driver) -> None:
    link = await sandbox.create(tx_ref="BK-click")
    first = await sandbox.submit(link, "pay")
    second = await sandbox.submit(link, "pay")
    opened = await sandbox.client.get(link)

    assert first.headers["location"] == second.headers["location"] == opened.headers["location"]
    assert len((await sandbox.payment("BK-click"))["charges"]) == 1


async def test_a_link_past_its_expiration_takes_no_money(sandbox: Driver) -> None:
    link = await sandbox.create(tx_ref="BK-over", link_expiration=_in(seconds=60))
    await sandbox.advance(61)

    assert (await sandbox.client.get(link)).status_code == 410
    answer = await sandbox.submit(link, "pay")
    assert answer.status_code == 410
    assert "has expired" in answer.text
    assert (await sandbox.payment("BK-over"))["charges"] == []


@pytest.mark.parametrize("place", ["configurations", "configuration", None])
async def test_a_session_ends_its_minutes_after_first_opening(
    sandbox: Driver, place: str | None
) -> None:
    session = {"session_duration": 10}
    link = await sandbox.create(**({place: session} if place else session))
    await sandbox.advance(3600)

    assert (await sandbox.client.get(link)).status_code == 200
    await sandbox.advance(9 * 60)
    assert (await sandbox.client.get(link)).status_code == 200
    await sandbox.advance(61)
    assert (await sandbox.submit(link, "pay")).status_code == 410


async def test_too_many_declined_tries_close_the_link(sandbox: Driver) -> None:
    link = await sandbox.create(configurations={"max_retry_attempt": 2})

    codes = [(await sandbox.submit(link, action)).status_code for action in ("decline",) * 2]
    codes.append((await sandbox.submit(link, "pay")).status_code)

    assert codes == [303, 303, 410]


async def test_an_unknown_link_or_action_is_refused(sandbox: Driver) -> None:
    link = await sandbox.create()

    assert (await sandbox.client.get(f"{link}x")).status_code == 404
    assert (await sandbox.submit(f"{link}x", "pay")).status_code == 404
    assert (await sandbox.submit(link, "steal")).status_code == 400
    assert (await sandbox.submit(link, "pay_late", delay_s="-1")).status_code == 400
    assert (await sandbox.submit(link, "pay_late", delay_s="nan")).status_code == 400
    assert (await sandbox.client.post(link, content=b"\xff")).status_code == 400
    assert (await sandbox.client.post(link)).status_code == 400


def _in(*, seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()  # noqa: TID251
