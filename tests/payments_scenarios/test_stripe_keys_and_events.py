"""Stripe's own scenarios over HTTP: kept errors, instants of signatures, two events of one."""

import json
from datetime import timedelta

import pytest

from gateway_hands import Hands, signed_by_stripe
from kiti.platform.clock import utc_now
from paying_steps import assert_confirmed_once, problem
from payments_site import STRIPE_SECRET, Site


@pytest.fixture
def stripe(both: Site) -> Hands:
    return Hands(both, "stripe")


async def test_scenario_09_an_error_that_stripe_keeps_is_not_the_end(stripe: Hands) -> None:
    """The session was made; each answer under its key is a 500: it is asked about, not failed."""
    site = stripe.site
    await stripe.fault("create", "error_after")
    await stripe.fault("webhook", "drop", times=100)
    ada = await site.passenger()
    payment = await stripe.open(ada)
    assert (payment["status"], payment["redirectUrl"]) == ("PENDING", None)
    assert await site.value("SELECT status FROM payment") == "unknown"
    # The same key says it again; a new one opens a new attempt beside it.
    other = await stripe.open(ada)
    assert other["transactionId"] != payment["transactionId"]
    assert other["redirectUrl"] is not None
    hidden = payment | {"redirectUrl": site.sandbox.url + (await stripe.known(payment))["path"]}
    await site.pay(hidden)
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    await site.work()
    assert (await ada.status(other))["status"] == "CANCELLED"
    assert (await stripe.known(other))["status"] == "expired"
    await assert_confirmed_once(site, ada)


@pytest.mark.parametrize(
    ("age", "is_heard"),
    [
        (timedelta(seconds=301), False),
        (timedelta(seconds=298), True),
        (timedelta(0), True),
        (timedelta(seconds=-298), True),
        (timedelta(seconds=-302), False),
    ],
)
async def test_scenario_15_an_instant_far_from_now_is_refused(
    stripe: Hands,
    age: timedelta,
    is_heard: bool,  # noqa: FBT001  # a table's column
) -> None:
    """Stripe's own SDK would let one in the future pass."""
    raw = json.dumps({"id": "evt_1", "object": "event", "type": "payout.paid"}).encode()
    at = int((utc_now() - age).timestamp())
    answer = await stripe.post_to_stripe(raw, signed_by_stripe(raw, at=at))
    if is_heard:
        assert answer.status_code == 200, answer.text
    else:
        assert problem(answer) == (401, "BAD_SIGNATURE")
    assert await stripe.site.value("SELECT count(*) FROM webhook_event") == is_heard


async def test_scenario_15_while_the_secret_is_rotated_any_signature_will_do(
    stripe: Hands,
) -> None:
    raw = json.dumps({"id": "evt_1", "object": "event", "type": "payout.paid"}).encode()
    instant, _, right = signed_by_stripe(raw, secret=STRIPE_SECRET).partition(",")
    wrong = signed_by_stripe(raw, secret="whsec_of_tomorrow").partition(",")[2]
    assert (await stripe.post_to_stripe(raw, f"{instant},{wrong},{right}")).status_code == 200
    refused = await stripe.post_to_stripe(raw, f"{instant},{wrong},{wrong}")
    assert problem(refused) == (401, "BAD_SIGNATURE")


@pytest.mark.parametrize("is_session_first", [True, False])
async def test_scenario_19_two_events_of_one_payment_have_one_effect(
    stripe: Hands,
    is_session_first: bool,  # noqa: FBT001
) -> None:
    """Of different ids, in either order, each twice."""
    site = stripe.site
    await stripe.fault("webhook", "drop", times=100)
    ada = await site.passenger()
    payment = await stripe.open(ada)
    await site.pay(payment)
    (charge,) = await stripe.paid(payment)
    session = {
        "object": "checkout.session",
        "client_reference_id": payment["transactionId"],
        "payment_status": "paid",
        "payment_intent": charge["id"],
    }
    intent = {
        "object": "payment_intent",
        "id": charge["id"],
        "metadata": {"reference": payment["transactionId"]},
    }
    news = [("checkout.session.completed", session), ("payment_intent.succeeded", intent)]
    for kind, data in (news if is_session_first else news[::-1]) * 2:
        answer = await stripe.deliver_event(kind, data, event_id=f"evt_{kind}")
        assert answer.status_code == 200
        await site.work()
    assert await site.rows("SELECT kind, state, deliveries FROM webhook_event") == [
        ("payment", "done", 2),
        ("payment", "done", 2),
    ]
    assert await site.value("SELECT count(*) FROM payment_receipt") == 1
    assert await site.value("SELECT count(*) FROM ledger_entry WHERE purpose = 'received'") == 1
    await assert_confirmed_once(site, ada)
