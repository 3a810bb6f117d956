"""The life of a payment: what can happen to it, in any order, and what a plain model makes of it.

A `Life` is one passenger with one payment. `live` makes events happen to it; each tells the model
what the world answered. `Lives.end` lets everything run to its end, for many lives together, and
holds each against its model: a seat or the money, the books, and every refund made once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from gateway_hands import Hands, silence_webhooks
from kiti.checkout.jobs import handlers
from kiti.checkout.watching import come_back, poll_payments
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from kiti.network.model import TripSheet
from kiti.payments import refunding
from make import make_stops
from paying_steps import expire
from payments_site import Passenger, Site
from search_site import make_open_trip

# What happens besides `pay`. `learn` is by the next of four ways each time.
EVENTS: Final = (
    "again", "decline", "expire", "rival", "cancel", "hand", "dispute", "learn", "send",
)  # fmt: skip
WAYS: Final = ("webhook", "poll", "status", "return")
HALF: Final = Policy(rules=(Rule(refund_percent=50),))
ROWS: Final = 80
LAYOUT: Final = f"name: Long coach\n[Main]\n@ . . .\n1-{ROWS}: A B . C D\n"
# How often all is asked and sent at the end: a second payment is asked for after the first.
ROUNDS: Final = 4
POLLS: Final = 2
QUIET_FOR: Final = 100
# More went back by hand than was owed: the one end that waits for a person.
TOLD: Final = "as much went back as was owed"


@dataclass
class Model:
    """What a plain mind expects. `has_money`: some success that nobody here has heard of."""

    status: str = "HELD"
    has_money: bool = False
    is_taken: bool = False
    by_offer: bool = False

    @property
    def is_free(self) -> bool:
        """Whether somebody else can have the seat."""
        return self.status not in {"HELD", "CONFIRMED"} and not self.is_taken

    def learn(self) -> None:
        """The gateway's word is heard: money takes the seat if that is to be had."""
        if not self.has_money:
            return
        self.has_money = False
        if self.status == "HELD" or (self.status == "EXPIRED" and not self.is_taken):
            self.status = "CONFIRMED"

    def cancel(self) -> None:
        """The passenger gives up whatever there is."""
        if self.status == "CONFIRMED":
            self.status, self.by_offer = "CANCELLED", True
        elif self.status == "HELD":
            self.status = "RELEASED"


@dataclass
class Life:
    """One passenger, one payment; what was done to it, and what is expected of it."""

    hands: Hands
    ada: Passenger
    payment: dict[str, Any]
    order: tuple[str, ...]
    is_won: bool
    model: Model = field(default_factory=Model)
    by_hand: str | None = None
    disputed: str | None = None
    dispute_id: str | None = None
    given_before_dispute: int = 0
    half_owed_after: str | None = None
    is_told: bool = False
    heard: int = 0

    @property
    def site(self) -> Site:
        return self.hands.site

    async def pay(self) -> None:
        """At the gateway's page, if it still takes money."""
        answer = await self.site.sandbox.submit(self.payment["redirectUrl"], "pay")
        before = self.model.has_money
        self.model.has_money = before or answer.status_code == 303

    async def again(self) -> None:
        """More money under the same reference; of Stripe once its page was paid."""
        if self.hands.gateway == "stripe" and not await self.hands.paid(self.payment):
            return
        await self.hands.pay_again(self.payment)
        self.model.has_money = True

    async def decline(self) -> None:
        """A card that is declined decides nothing."""
        await self.site.sandbox.submit(self.payment["redirectUrl"], "decline")

    async def expire(self) -> None:
        """The hold ends."""
        if self.model.status == "HELD":
            await expire(self.site, self.ada)
            self.model.status = "EXPIRED"

    async def rival(self) -> None:
        """Somebody else wants the seat, and gets it exactly when it is free."""
        body = {
            "tripId": self.ada.booking["tripId"],
            "seatNumbers": self.ada.booking["seatNumbers"],
        }
        answer = await self.site.client.post("/api/bookings/reserve", json=body)
        assert answer.status_code == (201 if self.model.is_free else 409), self.order
        self.model.is_taken = self.model.is_taken or answer.status_code == 201

    async def cancel(self) -> None:
        """The hold is given back; a ticket too, for the half that the policy gives."""
        path = f"/api/bookings/reserve/{self.ada.booking_id}"
        answer = await self.site.client.delete(path, headers=self.ada.headers)
        if answer.status_code == 409:
            await self._cancel_ticket()
        was = self.model.by_offer
        self.model.cancel()
        if self.model.by_offer and not was:
            self.half_owed_after = self.by_hand

    async def _cancel_ticket(self) -> None:
        at, headers = f"/api/bookings/{self.ada.booking_id}", self.ada.headers
        found = await self.site.client.get(f"{at}/refund-offer", headers=headers)
        if self.model.status != "CONFIRMED":
            assert found.status_code == 409, self.order
            return
        (offer,) = found.json()["offers"]
        answer = await self.site.client.post(
            f"{at}/cancel",
            json={"offerId": offer["offerId"]},
            headers=headers | {"idempotency-key": str(uuid4())},
        )
        assert answer.status_code == 200, answer.text

    async def hand(self) -> None:
        """All of the first money goes back at the gateway's own pages, unless a bank has it."""
        paid = await self.hands.paid(self.payment)
        if not paid or self.by_hand or self.disputed or self.model.by_offer:
            return
        if any(self.hands.refunded(each) for each in paid[0]["refunds"]):
            return
        if await self.hands.refund_by_hand(paid[0]):
            self.by_hand = str(paid[0]["id"])

    async def dispute(self) -> None:
        """The payer's bank takes the first money back, unless it has come back already."""
        paid = await self.hands.paid(self.payment)
        if not paid or self.by_hand or self.disputed:
            return
        self.dispute_id = await self.hands.dispute(paid[0])
        if self.dispute_id is not None:
            self.disputed = str(paid[0]["id"])
            self.given_before_dispute = sum(
                self.hands.refunded(each) for each in paid[0]["refunds"]
            )

    async def learn(self) -> None:
        """Kiti hears from the gateway, by the next way."""
        way = WAYS[self.heard % len(WAYS)]
        self.heard += 1
        await getattr(self, f"_by_{way}")()
        self.model.learn()

    async def _by_webhook(self) -> None:
        for charge in await self.hands.paid(self.payment):
            await self.hands.deliver(self.payment, charge)
        verify = handlers(self.site.till)["payment.verify"]
        for payload in await self._take_jobs():
            await verify(self.site.db, payload)

    async def _take_jobs(self) -> list[dict[str, Any]]:
        rows = await self.site.rows(
            "DELETE FROM job WHERE kind = 'payment.verify' AND payload->>'payment_id' = $1"
            " RETURNING payload::text",
            self.payment["paymentId"],
        )
        return [json.loads(text) for (text,) in rows]

    async def _by_poll(self) -> None:
        await self.site.value(
            "UPDATE payment SET next_poll_at = clock_timestamp()"
            " WHERE payment_id = $1::text::uuid RETURNING 1",
            self.payment["paymentId"],
        )
        await poll_payments(self.site.db, self.site.till, is_by_hand=False)

    async def _by_status(self) -> None:
        await self._forget_last_look()
        await self.ada.status(self.payment)

    async def _by_return(self) -> None:
        await self._forget_last_look()
        await come_back(
            self.site.db,
            self.site.till,
            reference=self.payment["transactionId"],
            gateway_transaction_id=None,
        )

    async def _forget_last_look(self) -> None:
        await self.site.value(
            "UPDATE payment SET asked_at = NULL WHERE payment_id = $1::text::uuid RETURNING 1",
            self.payment["paymentId"],
        )

    async def send(self) -> None:
        """What is owed by now is sent."""
        owed = await self.site.rows(
            "SELECT refund_id FROM refund WHERE payment_id = $1::text::uuid",
            self.payment["paymentId"],
        )
        for (refund_id,) in owed:
            await refunding.send_refund(self.site.db, self.site.till.gateways, refund_id=refund_id)

    async def check(self) -> None:
        """The end it must have."""
        ((used, covered),) = await self.site.rows(
            "SELECT (SELECT min(c.gateway_transaction_id) FROM payment_receipt AS c"
            " WHERE c.payment_id = p.payment_id AND c.applied_minor > 0), (SELECT"
            " coalesce(sum(d.covered_minor), 0) FROM dispute AS d"
            " WHERE d.payment_id = p.payment_id) FROM payment AS p"
            " WHERE p.payment_id = $1::text::uuid",
            self.payment["paymentId"],
        )
        model, ada = self.model, self.ada
        if model.status == "CONFIRMED" and self.by_hand is not None and used == self.by_hand:
            model.status = "CANCELLED"
        booking = await ada.read()
        assert booking["status"] == model.status, self.order
        sold = {ticket["status"] for ticket in booking["tickets"]}
        wanted = {"CONFIRMED": {"VALID"}, "CANCELLED": {"CANCELLED"}}.get(model.status, set[str]())
        assert sold == wanted, (self.order, sold)
        # All went back by hand of what half was owed of: for a person, whom the audit tells.
        self.is_told = self.half_owed_after is not None and used == self.half_owed_after
        kept = ada.total if model.status == "CONFIRMED" else 0
        if model.by_offer and not self.is_told:
            kept = ada.total - ada.total // 2
        await self._check_money(await self.hands.paid(self.payment), kept, int(covered))
        ends = {each["status"] for each in (await ada.status(self.payment))["refunds"]}
        assert ends <= {"SUCCEEDED"}, (self.order, ends)

    async def _check_money(self, paid: list[dict[str, Any]], kept: int, covered: int) -> None:
        """All but what is kept went back once: by the gateway, or by a bank that decided so."""
        back = sum(self.hands.minor(each["amount"]) for each in paid) - kept
        given = {
            str(each["id"]): sum(self.hands.refunded(refund) for refund in each["refunds"])
            for each in paid
        }
        is_lost = self.disputed is not None and not self.is_won
        assert sum(given.values()) + covered == back, (self.order, given, covered, back)
        assert covered == 0 or is_lost, self.order
        if is_lost and self.disputed is not None:
            assert given[self.disputed] <= self.given_before_dispute, self.order


@dataclass
class Lives:
    """Many lives on one site, at one gateway, ended together."""

    site: Site
    gateway: str
    lives: list[Life] = field(default_factory=list[Life])
    _sheet: TripSheet | None = None
    _seats: list[str] = field(default_factory=list[str])

    async def _seat(self) -> str:
        if not self._seats:
            async with self.site.db.transaction() as conn:
                stops = await make_stops(conn)
            self._sheet = await make_open_trip(self.site.db, stops, layout=LAYOUT)
            async with self.site.db.transaction() as conn:
                await put_policy(conn, operator_id=self._sheet.operator_id, policy=HALF)
            self._seats = [f"{row}{c}" for row in range(1, ROWS + 1) for c in "ABCD"]
        return self._seats.pop()

    async def live(self, order: Sequence[str]) -> Life:
        """One more life, in which these events happen in this order."""
        if len(self.lives) % QUIET_FOR == 0:
            await silence_webhooks(self.site)
        seat = await self._seat()
        hands = Hands(self.site, self.gateway)
        ada = await self.site.passenger(self._sheet, (seat,))
        payment = await hands.open(ada)
        life = Life(hands, ada, payment, tuple(order), is_won=len(self.lives) % 2 == 0)
        life.heard = len(self.lives)
        self.lives.append(life)
        for event in order:
            await getattr(life, event)()
        return life

    async def end(self) -> None:
        """Let the banks decide and all work be done; then look at each, and at the books."""
        for life in self.lives:
            if life.dispute_id is not None:
                await life.hands.decide(life.dispute_id, is_won=life.is_won)
            life.model.learn()
        for n in range(ROUNDS):
            if n < POLLS:
                await self.site.job("poll-payments")
            await self.site.job("reconcile-settlements")
            await self.site.work()
            await self.site.value(
                "WITH moved AS (UPDATE refund SET sent_at = sent_at - interval '1 hour'"
                " RETURNING 1) SELECT count(*) FROM moved"
            )
            await self.site.job("retry-refunds")
        for life in self.lives:
            await life.check()
        found = await self.site.breaches()
        assert {each.invariant for each in found} <= {TOLD}
        told = await self.site.rows(
            "SELECT payment_id::text FROM refund WHERE 'refund ' || refund_id = ANY ($1)",
            [" ".join(each.subject.split()[:2]) for each in found],
        )
        mine = {life.payment["paymentId"]: life for life in self.lives}
        assert {mine[key].order for (key,) in told if key in mine} == {
            life.order for life in self.lives if life.is_told
        }
