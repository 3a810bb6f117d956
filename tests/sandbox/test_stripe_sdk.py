"""The official Stripe SDK, pointed at the sandbox, works: calls, errors, lists, shapes."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from sandbox.stripe_shop import NAIRA, Shop, seconds_from_now


async def test_a_session_is_opened_read_and_paid(shop: Shop) -> None:
    session = await shop.open()
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_total, session.currency) == (NAIRA, "ngn")
    assert session.payment_intent is None
    page = await shop.driver.client.get(session.url)
    assert "7,500.00 NGN" in page.text
    assert "BK-1" in page.text
    left = await shop.submit(session, "pay")
    assert left.headers["location"] == "https://bus.example/pay/return"
    paid = await shop.do(lambda v1: v1.checkout.sessions.retrieve(session.id))
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert isinstance(paid.payment_intent, str)


async def test_expanded_objects_are_the_whole_ones(shop: Shop) -> None:
    intent = await shop.paid()
    assert (intent.status, intent.amount_received) == ("succeeded", NAIRA)
    charge = intent.latest_charge
    assert (charge.paid, charge.balance_transaction.amount) == (True, NAIRA)
    assert charge.balance_transaction.fee == 21_750
    assert charge.balance_transaction.net == NAIRA - 21_750
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await shop.do(lambda v1: v1.charges.retrieve(charge.id, {"expand": ["nonsense"]}))


async def test_every_shape_is_one_that_the_sdk_knows(shop: Shop) -> None:
    intent = await shop.paid()
    await shop.refund(intent, amount=1000)
    await shop.steer("/disputes", payment_intent=intent.id, amount=500)
    await shop.steer("/payouts")
    known: dict[str, Any] = {
        "checkout.session": stripe.checkout.Session,
        "payment_intent": stripe.PaymentIntent,
        "charge": stripe.Charge,
        "refund": stripe.Refund,
        "dispute": stripe.Dispute,
        "balance_transaction": stripe.BalanceTransaction,
        "payout": stripe.Payout,
        "event": stripe.Event,
    }
    lists: list[Any] = [
        await shop.do(lambda v1: v1.checkout.sessions.list()),
        await shop.do(lambda v1: v1.payment_intents.list()),
        await shop.do(lambda v1: v1.charges.list()),
        await shop.do(lambda v1: v1.refunds.list()),
        await shop.do(lambda v1: v1.disputes.list()),
        await shop.do(lambda v1: v1.balance_transactions.list()),
        await shop.do(lambda v1: v1.payouts.list()),
        await shop.do(lambda v1: v1.events.list()),
    ]
    seen: set[str] = set()
    for found in lists:
        assert found.data
        for each in found.data:
            told = each.to_dict()
            kind = known[told["object"]]
            assert isinstance(each, kind)
            assert set(told) <= set(kind.__annotations__), told["object"]
            seen.add(told["object"])
    assert seen == set(known)


async def test_lists_have_pages_both_ways(shop: Shop) -> None:
    for n in range(5):
        await shop.open(client_reference_id=f"BK-{n}")
    first = await shop.do(lambda v1: v1.checkout.sessions.list({"limit": 2}))
    assert [each.client_reference_id for each in first.data] == ["BK-4", "BK-3"]
    assert first.has_more
    after = first.data[-1].id
    second = await shop.do(
        lambda v1: v1.checkout.sessions.list({"limit": 2, "starting_after": after})
    )
    assert [each.client_reference_id for each in second.data] == ["BK-2", "BK-1"]
    before = second.data[0].id
    back = await shop.do(
        lambda v1: v1.checkout.sessions.list({"limit": 2, "ending_before": before})
    )
    assert [each.id for each in back.data] == [each.id for each in first.data]
    every = await shop.do(
        lambda v1: list(v1.checkout.sessions.list({"limit": 2}).auto_paging_iter())
    )
    assert [each.client_reference_id for each in every] == [f"BK-{n}" for n in range(4, -1, -1)]


async def test_lists_can_be_narrowed(shop: Shop) -> None:
    one, other = await shop.paid(), await shop.paid()
    await shop.refund(one, amount=100)
    await shop.refund(other, amount=200)
    ours = await shop.do(lambda v1: v1.refunds.list({"payment_intent": one.id}))
    assert [each.amount for each in ours.data] == [100]
    future: Any = {"created": {"gte": seconds_from_now(60)}}
    assert (await shop.do(lambda v1: v1.refunds.list(future))).data == []
    paid = await shop.do(lambda v1: v1.events.list({"type": "payment_intent.succeeded"}))
    assert len(paid.data) == 2
    read = await shop.do(lambda v1: v1.events.retrieve(paid.data[0].id))
    assert read.to_dict() == paid.data[0].to_dict()


async def test_the_search_finds_by_metadata_when_it_has_seen_it(shop: Shop) -> None:
    intent = await shop.paid()
    query = {"query": 'metadata["reference"]:"BK-1" AND status:"succeeded"'}
    found = await shop.do(lambda v1: v1.payment_intents.search(query))  # pyright: ignore[reportArgumentType]
    assert [each.id for each in found.data] == [intent.id]
    none = {"query": 'metadata["reference"]:"BK-2"'}
    assert not (await shop.do(lambda v1: v1.payment_intents.search(none))).data  # pyright: ignore[reportArgumentType]
    await shop.options(search_delay_s=60)
    assert not (await shop.do(lambda v1: v1.payment_intents.search(query))).data  # pyright: ignore[reportArgumentType]
    await shop.driver.advance(61)
    assert (await shop.do(lambda v1: v1.payment_intents.search(query))).data  # pyright: ignore[reportArgumentType]
    bad = {"query": "drop table"}
    with pytest.raises(stripe.InvalidRequestError, match="parse"):
        await shop.do(lambda v1: v1.payment_intents.search(bad))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"mode": ...}, "parameter_missing", "mode"),
        ({"line_items": ...}, "parameter_missing", "line_items"),
        ({"success_url": "not a url"}, "url_invalid", "success_url"),
        ({"surprise": "1"}, "parameter_unknown", "surprise"),
        ({"customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
        ({"expires_at": seconds_from_now(29)}, None, "expires_at"),
        ({"expires_at": seconds_from_now(26 * 60)}, None, "expires_at"),
        ({"payment_intent_data": {"surprise": "1"}}, "parameter_unknown", None),
    ],
)
async def test_what_will_not_do_is_refused_in_stripes_words(
    shop: Shop, changes: dict[str, Any], code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await shop.open(**changes)
    assert caught.value.http_status == 400
    assert caught.value.code == code
    if param is not None:
        assert caught.value.param == param


@pytest.mark.parametrize(
    ("currency", "amount", "is_taken"),
    [("UGX", 500, True), ("UGX", 501, False), ("ISK", 700, True), ("ISK", 50, False),
     ("KWD", 5120, True), ("KWD", 5123, False), ("XOF", 1, True), ("JPY", 3, True)],
)  # fmt: skip
async def test_amounts_are_stripes(
    shop: Shop,
    currency: str,
    amount: int,
    is_taken: bool,  # noqa: FBT001  # a table's column
) -> None:
    item = {
        "quantity": 1,
        "price_data": {
            "currency": currency,
            "unit_amount": amount,
            "product_data": {"name": "Acme Bus"},
        },
    }
    if is_taken:
        assert (await shop.open(line_items=[item])).amount_total == amount
    else:
        with pytest.raises(stripe.InvalidRequestError, match="multiples"):
            await shop.open(line_items=[item])


async def test_a_wrong_key_opens_nothing(shop: Shop) -> None:
    other = stripe.RequestsClient()
    sdk = stripe.StripeClient(
        "sk_test_wrong",
        base_addresses={"api": f"{shop.driver.url}/stripe"},
        http_client=other,
        max_network_retries=0,
    )

    def ask(_: object) -> None:
        try:
            sdk.v1.checkout.sessions.list()
        finally:
            other.close()

    with pytest.raises(stripe.AuthenticationError):
        await shop.do(ask)
    answer = await shop.driver.client.get(f"{shop.driver.url}/stripe/v1/refunds")
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    basic = await shop.driver.client.get(
        f"{shop.driver.url}/stripe/v1/refunds", auth=("sk_test_of_the_sandboxes_tests", "")
    )
    assert basic.status_code == 200


async def test_what_is_not_there_is_missing(shop: Shop) -> None:
    calls: list[Callable[[stripe.V1Services], object]] = [
        lambda v1: v1.checkout.sessions.retrieve("cs_none"),
        lambda v1: v1.payment_intents.retrieve("pi_none"),
        lambda v1: v1.charges.retrieve("ch_none"),
        lambda v1: v1.refunds.retrieve("re_none"),
        lambda v1: v1.disputes.retrieve("du_none"),
        lambda v1: v1.payouts.retrieve("po_none"),
        lambda v1: v1.balance_transactions.retrieve("txn_none"),
        lambda v1: v1.events.retrieve("evt_none"),
        lambda v1: v1.refunds.create({"payment_intent": "pi_none"}),
        lambda v1: v1.balance_transactions.list({"payout": "po_none"}),
    ]
    for call in calls:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await shop.do(call)
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        await shop.do(lambda v1: v1.customers.list())


async def test_a_session_is_closed_once(shop: Shop) -> None:
    session = await shop.open()
    closed = await shop.do(lambda v1: v1.checkout.sessions.expire(session.id))
    assert (closed.status, closed.url) == ("expired", None)
    assert (await shop.submit(session, "pay")).status_code == 410
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        await shop.do(lambda v1: v1.checkout.sessions.expire(session.id))
    paid = await shop.open()
    await shop.submit(paid, "pay")
    with pytest.raises(stripe.InvalidRequestError, match="complete"):
        await shop.do(lambda v1: v1.checkout.sessions.expire(paid.id))


async def test_a_session_ends_by_itself(shop: Shop) -> None:
    session = await shop.open(expires_at=seconds_from_now(31))
    await shop.driver.advance(32 * 60)
    read = await shop.do(lambda v1: v1.checkout.sessions.retrieve(session.id))
    assert read.status == "expired"
    found = await shop.do(lambda v1: v1.events.list({"type": "checkout.session.expired"}))
    assert len(found.data) == 1


async def test_refunds_never_exceed_what_came(shop: Shop) -> None:
    intent = await shop.paid()
    first = await shop.refund(intent, amount=NAIRA - 100, metadata={"refundId": "r-1"})
    assert (first.status, first.metadata["refundId"]) == ("succeeded", "r-1")
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await shop.refund(intent, amount=101)
    rest = await shop.refund(intent)
    assert rest.amount == 100
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await shop.refund(intent)
    assert caught.value.code == "charge_already_refunded"
    charge = await shop.do(lambda v1: v1.charges.retrieve(rest.charge))
    assert (charge.refunded, charge.amount_refunded) == (True, NAIRA)


async def test_what_was_not_paid_is_not_refunded(shop: Shop) -> None:
    session = await shop.open()
    await shop.submit(session, "decline")
    read = await shop.do(lambda v1: v1.checkout.sessions.retrieve(session.id))
    assert (read.status, read.payment_status) == ("open", "unpaid")
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        await shop.do(lambda v1: v1.refunds.create({"payment_intent": str(read.payment_intent)}))
    with pytest.raises(stripe.InvalidRequestError, match="One of the following"):
        await shop.do(lambda v1: v1.refunds.create({"amount": 100}))


async def test_a_dispute_from_evidence_to_verdict(shop: Shop) -> None:
    intent = await shop.paid()
    made = await shop.steer("/disputes", payment_intent=intent.id)
    evidence: Any = {"evidence": {"product_description": "A seat"}, "submit": False}
    staged = await shop.do(lambda v1: v1.disputes.update(made["id"], evidence))
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    final = await shop.do(lambda v1: v1.disputes.update(made["id"], {"submit": True}))
    assert (final.status, final.evidence_details.submission_count) == ("under_review", 1)
    with pytest.raises(stripe.InvalidRequestError, match="submitted"):
        await shop.do(lambda v1: v1.disputes.update(made["id"], {"submit": True}))
    await shop.steer(f"/disputes/{made['id']}", status="won")
    read = await shop.do(lambda v1: v1.disputes.retrieve(made["id"]))
    assert read.status == "won"
    assert [line.net for line in read.balance_transactions] == [-NAIRA - 1500, NAIRA + 1500]


async def test_a_dispute_can_be_accepted_and_is_lost_by_silence(shop: Shop) -> None:
    one, other = await shop.paid(), await shop.paid()
    first = await shop.steer("/disputes", payment_intent=one.id)
    closed = await shop.do(lambda v1: v1.disputes.close(first["id"]))
    assert closed.status == "lost"
    second = await shop.steer("/disputes", payment_intent=other.id, due_s=60)
    await shop.driver.advance(61)
    read = await shop.do(lambda v1: v1.disputes.retrieve(second["id"]))
    assert read.status == "lost"


async def test_a_payout_is_made_of_its_lines(shop: Shop) -> None:
    intent = await shop.paid()
    await shop.refund(intent, amount=100_000)
    made = (await shop.steer("/payouts"))["items"]
    (payout,) = (await shop.do(lambda v1: v1.payouts.list())).data
    assert [each["id"] for each in made] == [payout.id]
    params: Any = {"payout": payout.id, "expand": ["data.source"]}
    lines = (await shop.do(lambda v1: v1.balance_transactions.list(params))).data
    assert [line.reporting_category for line in lines] == ["payout", "refund", "charge"]
    assert sum(line.net for line in lines[1:]) == payout.amount == NAIRA - 21_750 - 100_000
    source: Any = lines[2].source
    assert source.payment_intent == intent.id
    assert (await shop.steer("/payouts"))["items"] == []
