"""What every gateway adapter must do, whatever its wire: one suite, run on each of them.

An adapter's test module subclasses `GatewayConformance` and gives a `bench` fixture: the adapter
talking real HTTP to a simulated gateway that can be told to misbehave. What it has of the optional
protocols it names in `has`; each is tested, and what is not named is tested not to be there.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import pytest

from kiti.payments.gateways.port import (
    CheckoutRequest,
    CheckoutResult,
    Disputes,
    Expires,
    Gateway,
    GatewayEvent,
    ListsRefunds,
    PaymentSnapshot,
    RefundRequest,
    Refunds,
    Settlements,
    Several,
)
from kiti.payments.model import BadSignature, PaymentMethod
from kiti.platform.clock import utc_now
from kiti.platform.errors import MalformedJson
from kiti.platform.ids import new_code, new_id
from kiti.platform.money import Money

NAIRA = Money(750_000, "NGN")
OPTIONAL = (Expires, Refunds, ListsRefunds, Several, Disputes, Settlements)


@dataclass(frozen=True)
class Hook:
    """A webhook as it arrived."""

    raw: bytes
    headers: Mapping[str, str]


class Bench(Protocol):
    """An adapter, and a simulated gateway behind it. `faults` are the sandbox's words."""

    @property
    def gateway(self) -> Gateway: ...
    async def pay(self, result: CheckoutResult, action: str = "pay", **more: str) -> None: ...
    async def pay_again(self, reference: str) -> None: ...
    async def fault(self, call: str, fault: str, **more: object) -> None: ...
    async def refund_by_hand(self, transaction_id: str, minor: int) -> None: ...
    async def advance(self, seconds: float) -> None: ...
    async def calls(self, call: str) -> int: ...
    async def checkouts(self, reference: str) -> int: ...
    def signed(self, raw: bytes) -> dict[str, str]: ...
    async def go_away(self) -> None: ...
    async def hook(self) -> Hook: ...


def a_request(**changes: object) -> CheckoutRequest:
    now = utc_now()
    request = CheckoutRequest(
        reference=f"KT-{new_code(20)}",
        money=NAIRA,
        method=PaymentMethod.CARD,
        email="ada@kiti.example",
        name='Ada O\'Neill "Kiti"',
        phone="+2348012345678",
        return_url="http://kiti.test:8000/pay/return",
        title="Kiti",
        expires_at=now + timedelta(minutes=15),
        ttl_s=900,
    )
    return replace(request, **changes)  # pyright: ignore[reportArgumentType]


def a_refund(transaction_id: str, *, money: Money = NAIRA, refund_id: UUID | None = None):
    now = utc_now()
    return RefundRequest(
        refund_id=refund_id or new_id(),
        gateway_transaction_id=transaction_id,
        money=money,
        since=now - timedelta(days=1),
        until=now + timedelta(days=1),
    )


async def ask(bench: Bench, reference: str, result: CheckoutResult) -> PaymentSnapshot:
    """What became of a payment, by all that is known of it."""
    return await bench.gateway.fetch_payment(reference=reference, gateway_id=result.gateway_id)


async def silence(bench: Bench, call: str, fault: str) -> None:
    """The gateway answers nothing to the next call, however often an adapter may repeat it."""
    is_repeated = bench.gateway.capabilities().is_create_repeatable and call != "verify"
    is_final = fault == "error_after"  # an error that was said is said again
    await bench.fault(call, fault, times=2 if is_repeated and not is_final else 1)


class GatewayConformance:
    """The suite."""

    has: frozenset[type] = frozenset()
    # What a declined try makes of a payment: PENDING where the page stays open for another.
    declined = "FAILED"

    async def test_it_has_what_it_says_and_nothing_else(self, bench: Bench) -> None:
        assert {each for each in OPTIONAL if isinstance(bench.gateway, each)} == self.has

    async def opened(self, bench: Bench, **changes: object) -> tuple[str, CheckoutResult]:
        request = a_request(**changes)
        result = await bench.gateway.create_checkout(request)
        assert result.outcome == "OPEN", result
        return request.reference, result

    async def paid(self, bench: Bench, **changes: object) -> tuple[str, str]:
        """A payment made and paid: its reference and the gateway's transaction id."""
        reference, result = await self.opened(bench, **changes)
        await bench.pay(result)
        (receipt,) = (await ask(bench, reference, result)).receipts
        return reference, receipt.gateway_transaction_id

    async def test_a_checkout_has_a_page_to_pay_at(self, bench: Bench) -> None:
        _, result = await self.opened(bench)
        assert result.redirect_url is not None
        assert result.redirect_url.startswith("http")

    async def test_every_method_it_takes_can_be_paid_in_every_currency(self, bench: Bench) -> None:
        takes = bench.gateway.capabilities().currencies
        assert takes
        for method, currencies in takes.items():
            for currency in currencies:
                reference, result = await self.opened(
                    bench, method=method, money=Money(150_000, currency)
                )
                await bench.pay(result)
                found = await ask(bench, reference, result)
                assert [r.money for r in found.receipts] == [Money(150_000, currency)]

    async def test_nobody_has_paid_yet_is_not_a_failure(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        assert (await ask(bench, reference, result)).status == "NOT_FOUND"
        unknown = await bench.gateway.fetch_payment(reference="KT-NEVER-HEARD-OF")
        assert unknown.status == "NOT_FOUND"

    async def test_a_success_tells_its_receipt(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        await bench.pay(result)
        found = await ask(bench, reference, result)
        assert found.status == "SUCCEEDED"
        (receipt,) = found.receipts
        assert receipt.money == NAIRA
        assert receipt.fee is not None
        assert 0 < receipt.fee.amount_minor < NAIRA.amount_minor

    async def test_it_is_found_by_our_reference_alone(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        assert (await bench.gateway.fetch_payment(reference=reference)).status == "NOT_FOUND"
        await bench.pay(result)
        found = await bench.gateway.fetch_payment(reference=reference)
        assert [r.money for r in found.receipts] == [NAIRA]

    @pytest.mark.parametrize("kind", ["pay_wrong_amount", "wrong_currency"])
    async def test_what_came_is_told_as_it_came(self, bench: Bench, kind: str) -> None:
        if kind == "wrong_currency":
            await bench.fault("create", kind)
        reference, result = await self.opened(bench)
        await bench.pay(result, "pay" if kind == "wrong_currency" else kind)
        (receipt,) = (await ask(bench, reference, result)).receipts
        came = Money(750_000, "USD") if kind == "wrong_currency" else Money(749_999, "NGN")
        assert receipt.money == came

    async def test_declined_is_told_and_a_later_success_counts(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        await bench.pay(result, "decline")
        assert (await ask(bench, reference, result)).status == self.declined
        await bench.pay(result)
        assert (await ask(bench, reference, result)).status == "SUCCEEDED"

    async def test_slow_money_is_pending_then_there(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        await bench.pay(result, "pay_late", delay_s="600")
        assert (await ask(bench, reference, result)).status == "PENDING"
        await bench.advance(601)
        assert (await ask(bench, reference, result)).status == "SUCCEEDED"

    async def test_one_reference_paid_twice_has_two_receipts(self, bench: Bench) -> None:
        gateway = bench.gateway
        reference, result = await self.opened(bench)
        await bench.pay(result)
        await bench.pay(result)  # a double click
        assert len((await ask(bench, reference, result)).receipts) == 1
        if not isinstance(gateway, Several):
            return
        await bench.pay_again(reference)
        found = await gateway.fetch_all(reference=reference)
        assert found.status == "SUCCEEDED"
        assert len({r.gateway_transaction_id for r in found.receipts}) == 2

    async def test_a_wrong_hint_leads_to_the_right_payment(self, bench: Bench) -> None:
        _, others = await self.paid(bench, money=Money(1, "NGN"))
        reference, _ = await self.paid(bench)
        for hint in (others, "999999999", "../../refunds", "1 OR 1=1", "١٢٣"):
            found = await bench.gateway.fetch_payment(
                reference=reference, gateway_transaction_id=hint
            )
            assert [r.money for r in found.receipts] == [NAIRA], hint

    @pytest.mark.parametrize("fault", ["lose_reply", "error_after", "drop"])
    async def test_silence_is_unknown(self, bench: Bench, fault: str) -> None:
        reference, _ = await self.paid(bench)
        await bench.fault("verify", fault)
        found = await bench.gateway.fetch_payment(reference=reference)
        assert found.status == "UNKNOWN"
        await silence(bench, "create", fault)
        assert (await bench.gateway.create_checkout(a_request())).outcome == "UNKNOWN"

    async def test_a_gateway_that_is_away_is_unknown(self, bench: Bench) -> None:
        _, transaction_id = await self.paid(bench)
        await bench.go_away()
        assert (await bench.gateway.create_checkout(a_request())).outcome == "UNKNOWN"
        assert (await bench.gateway.fetch_payment(reference="KT-X")).status == "UNKNOWN"
        if isinstance(bench.gateway, Refunds):
            refund = a_refund(transaction_id)
            assert (await bench.gateway.create_refund(refund)).status == "NOT_SENT"
            assert (await bench.gateway.find_refund(refund)).status == "UNKNOWN"

    async def test_what_the_gateway_refuses_is_refused(self, bench: Bench) -> None:
        result = await bench.gateway.create_checkout(a_request(email="nobody"))
        assert result.outcome == "REFUSED"
        assert result.redirect_url is None

    async def test_a_creation_is_sent_again_only_where_that_makes_no_second(
        self, bench: Bench
    ) -> None:
        await bench.fault("create", "error_after")
        await bench.gateway.create_checkout(a_request())
        assert await bench.calls("create") == 1
        await bench.fault("create", "lose_reply")
        request = a_request()
        result = await bench.gateway.create_checkout(request)
        assert await bench.checkouts(request.reference) == 1
        is_repeatable = bench.gateway.capabilities().is_create_repeatable
        assert await bench.calls("create") == (3 if is_repeatable else 2)
        assert result.outcome == ("OPEN" if is_repeatable else "UNKNOWN")

    async def test_a_page_can_be_closed_where_the_gateway_can(self, bench: Bench) -> None:
        gateway = bench.gateway
        if not isinstance(gateway, Expires):
            assert Expires not in self.has
            return
        reference, result = await self.opened(bench)
        paid_reference, paid = await self.opened(bench)
        await bench.pay(paid)
        assert result.gateway_id is not None
        assert paid.gateway_id is not None
        assert await gateway.expire_checkout(gateway_id=result.gateway_id) == "EXPIRED"
        assert await gateway.expire_checkout(gateway_id=result.gateway_id) == "NOT_OPEN"
        assert await gateway.expire_checkout(gateway_id=paid.gateway_id) == "NOT_OPEN"
        assert await gateway.expire_checkout(gateway_id="../refunds") == "NOT_OPEN"
        with pytest.raises(AssertionError):  # nobody can pay there
            await bench.pay(result)
        assert (await ask(bench, reference, result)).status == "NOT_FOUND"
        assert (await ask(bench, paid_reference, paid)).status == "SUCCEEDED"
        await bench.go_away()
        assert isinstance(bench.gateway, Expires)
        assert await bench.gateway.expire_checkout(gateway_id=result.gateway_id) == "UNKNOWN"

    async def test_a_cancelled_call_ends(self, bench: Bench) -> None:
        reference, _ = await self.paid(bench)
        await bench.fault("verify", "delay", delay_s=3600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await bench.gateway.fetch_payment(reference=reference)
        assert (await bench.gateway.fetch_payment(reference=reference)).status == "SUCCEEDED"

    async def test_a_refund_is_found_by_our_id(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        _, transaction_id = await self.paid(bench)
        first = a_refund(transaction_id, money=Money(250_000, "NGN"))
        second = a_refund(transaction_id, money=Money(500_000, "NGN"))
        assert (await gateway.find_refund(first)).status == "NOT_FOUND"
        made = await gateway.create_refund(first)
        assert made.status == "SUCCEEDED"
        assert await gateway.find_refund(first) == made
        assert (await gateway.find_refund(second)).status == "NOT_FOUND"
        assert (await gateway.create_refund(second)).status == "SUCCEEDED"
        by_id = replace(first, gateway_refund_id=made.gateway_refund_id)
        assert await gateway.find_refund(by_id) == made

    async def test_all_refunds_are_listed_whoever_made_them(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        assert isinstance(gateway, ListsRefunds)
        now = utc_now()
        span = {"since": now - timedelta(days=1), "until": now + timedelta(days=1)}
        assert await gateway.list_refunds(**span) == []
        _, transaction_id = await self.paid(bench)
        ours = a_refund(transaction_id, money=Money(250_000, "NGN"))
        made = await gateway.create_refund(ours)
        await bench.refund_by_hand(transaction_id, 100)
        found = await gateway.list_refunds(**span)
        assert found is not None
        by_hand, by_us = found
        assert (by_us.gateway_refund_id, by_us.refund_id) == (
            made.gateway_refund_id,
            ours.refund_id,
        )
        assert by_hand.refund_id is None
        assert by_hand.says_whose
        for record, minor in ((by_us, 250_000), (by_hand, 100)):
            assert record.status == "SUCCEEDED"
            assert record.gateway_transaction_id == transaction_id
            assert gateway.from_wire(record.amount, "NGN") == Money(minor, "NGN")
        await bench.go_away()
        assert isinstance(bench.gateway, ListsRefunds)
        assert await bench.gateway.list_refunds(**span) is None

    async def test_a_refund_is_found_behind_many_others(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        _, transaction_id = await self.paid(bench)
        ours = a_refund(transaction_id, money=Money(100, "NGN"))
        made = await gateway.create_refund(ours)
        for _ in range(45):
            await gateway.create_refund(a_refund(transaction_id, money=Money(100, "NGN")))
        assert await gateway.find_refund(ours) == made

    async def test_a_refund_whose_reply_is_lost_is_unknown_then_found(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        _, transaction_id = await self.paid(bench)
        refund = a_refund(transaction_id)
        await silence(bench, "refund", "lose_reply")
        assert (await gateway.create_refund(refund)).status == "UNKNOWN"
        assert (await gateway.find_refund(refund)).status == "SUCCEEDED"

    async def test_a_refund_can_take_its_time_and_fail(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        _, transaction_id = await self.paid(bench)
        refund = a_refund(transaction_id)
        await bench.fault("refund", "fail_refund", delay_s=60)
        assert (await gateway.create_refund(refund)).status == "PENDING"
        assert (await gateway.find_refund(refund)).status == "PENDING"
        await bench.advance(61)
        assert (await gateway.find_refund(refund)).status == "FAILED"
        assert (await gateway.create_refund(refund)).status == "SUCCEEDED"
        assert (await gateway.find_refund(refund)).status == "SUCCEEDED"

    async def test_more_than_came_is_refused(self, bench: Bench) -> None:
        gateway = bench.gateway
        assert isinstance(gateway, Refunds)
        _, transaction_id = await self.paid(bench)
        too_much = a_refund(transaction_id, money=Money(750_001, "NGN"))
        assert (await gateway.create_refund(too_much)).status == "REFUSED"

    async def test_a_webhook_is_let_in_by_its_signature_alone(self, bench: Bench) -> None:
        reference, result = await self.opened(bench)
        await bench.pay(result)
        hook = await bench.hook()
        (event,) = bench.gateway.parse_webhook(hook.raw, hook.headers)
        assert (event.kind, event.reference, event.is_success) == ("payment", reference, True)
        found = await bench.gateway.fetch_payment(
            reference=reference, gateway_transaction_id=event.gateway_transaction_id
        )
        assert found.receipts[0].gateway_transaction_id == event.gateway_transaction_id
        with pytest.raises(BadSignature):
            bench.gateway.parse_webhook(hook.raw, {})
        for name in ("flutterwave-signature", "verif-hash", "stripe-signature"):
            if name in hook.headers:
                wrong = {**hook.headers, name: hook.headers[name][:-2] + "xx"}
                with pytest.raises(BadSignature):
                    bench.gateway.parse_webhook(hook.raw, wrong)

    async def test_the_same_news_has_the_same_key(self, bench: Bench) -> None:
        _, result = await self.opened(bench)
        await bench.fault("webhook", "duplicate")
        await bench.pay(result)
        events: list[GatewayEvent] = []
        for hook in (await bench.hook(), await bench.hook()):
            events += bench.gateway.parse_webhook(hook.raw, hook.headers)
        assert events[0].event_key == events[1].event_key

    async def test_amounts_are_exact_or_refused(self, bench: Bench) -> None:
        gateway = bench.gateway
        for money in (Money(1, "NGN"), Money(10**15, "NGN"), Money(7, "UGX"), Money(199, "KES")):
            assert gateway.from_wire(gateway.to_wire(money), money.currency) == money
        for value in (True, "75", None, 0, -1, 1.5, float("nan"), [], 10**16):
            with pytest.raises(ValueError, match="amount"):
                gateway.from_wire(value, "NGN")

    async def test_signed_nonsense_is_malformed(self, bench: Bench) -> None:
        signed = bench.signed
        for raw in (b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 20_000):
            with pytest.raises(MalformedJson):
                bench.gateway.parse_webhook(raw, signed(raw))
        for raw in (b"[]", b"null", b"3", b'{"event": 3, "data": []}'):
            (event,) = bench.gateway.parse_webhook(raw, signed(raw))
            assert event.kind == "other"
