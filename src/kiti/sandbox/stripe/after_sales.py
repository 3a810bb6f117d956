"""Disputes, the balance, payouts and events, as the merchant reads and answers them."""

from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.faults import Fault
from kiti.sandbox.replies import json_reply
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import missing
from kiti.sandbox.stripe.form import Params
from kiti.sandbox.stripe.front import Asked, Front
from kiti.sandbox.stripe.model import Dispute
from kiti.sandbox.stripe.notices import Notices
from kiti.sandbox.stripe.terms import (
    DisputeParams,
    EventsParams,
    LinesParams,
    PaymentsParams,
    PayoutsParams,
)
from kiti.sandbox.stripe.wire import Shown


class AfterSales:
    """What becomes of paid money afterwards."""

    def __init__(self, front: Front, notices: Notices) -> None:
        self._front = front
        self._account = front.account
        self._notices = notices

    def routes(self) -> list[Route]:
        """The routes."""
        route = self._front.route
        return [
            route("GET", "/disputes", "disputes", self.disputes),
            route("GET", "/disputes/{id}", "disputes", self.read_dispute),
            route("POST", "/disputes/{id}", "disputes", self.answer),
            route("POST", "/disputes/{id}/close", "disputes", self.close),
            route("GET", "/balance_transactions", "balance_transactions", self.lines),
            route("GET", "/balance_transactions/{id}", "balance_transactions", self.read_line),
            route("GET", "/payouts", "payouts", self.payouts),
            route("GET", "/payouts/{id}", "payouts", self.read_payout),
            route("GET", "/events", "events", self.events),
            route("GET", "/events/{id}", "events", self.read_event),
        ]

    async def disputes(self, asked: Asked) -> Response:
        """All disputes, newest first."""
        params = asked.read(PaymentsParams)
        fitting = [
            dispute
            for dispute in reversed(self._account.books.disputes.values())
            if params.holds(dispute.created_at)
            and params.payment_intent in {None, dispute.intent_id}
            and params.charge in {None, dispute.charge_id}
        ]
        return self._front.listed(
            fitting,
            params=params,
            show=lambda it: wire.dispute(self._account, it),
            path="/disputes",
        )

    async def read_dispute(self, asked: Asked) -> Response:
        """One dispute."""
        return self._one(asked, wire.dispute(self._account, self._dispute(asked)))

    async def answer(self, asked: Asked) -> Response:
        """Evidence: staged, or submitted for good."""
        params = asked.read(DisputeParams)
        dispute = self._dispute(asked)

        def effect(_: Fault | None) -> Shown:
            if params.evidence or params.submit:
                self._account.books.submit(dispute, params.evidence, is_final=params.submit)
            dispute.metadata |= params.metadata
            self._notices.dispute("updated", dispute)
            return wire.expanded(self._account, wire.dispute(self._account, dispute), params.expand)

        return await self._front.run(asked, None, None, effect)

    async def close(self, asked: Asked) -> Response:
        """Accept that it is lost."""
        params = asked.read(Params)
        dispute = self._dispute(asked)

        def effect(_: Fault | None) -> Shown:
            if self._account.books.end(dispute, "lost", self._front.core.clock.now()):
                self._notices.dispute("closed", dispute)
            return wire.expanded(self._account, wire.dispute(self._account, dispute), params.expand)

        return await self._front.run(asked, None, None, effect)

    async def lines(self, asked: Asked) -> Response:
        """The balance's lines, newest first; with `payout` those that it paid out, and itself."""
        params = asked.read(LinesParams)
        if params.payout is not None and params.payout not in self._account.books.payouts:
            raise missing("payout", params.payout, param="payout")
        fitting = [
            line
            for line in reversed(self._account.books.lines.values())
            if params.holds(line.created_at)
            and params.payout in {None, line.payout_id}
            and params.source in {None, line.source_id}
            and params.currency in {None, line.currency}
            and params.type in {None, wire.line(line)["type"]}
        ]
        return self._front.listed(
            fitting, params=params, show=wire.line, path="/balance_transactions"
        )

    async def read_line(self, asked: Asked) -> Response:
        """One line."""
        line = self._account.books.lines.get(asked.path_id)
        if line is None:
            raise missing("balance_transaction", asked.path_id)
        return self._one(asked, wire.line(line))

    async def payouts(self, asked: Asked) -> Response:
        """All payouts, newest first."""
        params = asked.read(PayoutsParams)
        fitting = [
            payout
            for payout in reversed(self._account.books.payouts.values())
            if params.holds(payout.created_at) and params.status in {None, payout.status}
        ]
        return self._front.listed(fitting, params=params, show=wire.payout, path="/payouts")

    async def read_payout(self, asked: Asked) -> Response:
        """One payout."""
        payout = self._account.books.payouts.get(asked.path_id)
        if payout is None:
            raise missing("payout", asked.path_id)
        return self._one(asked, wire.payout(payout))

    async def events(self, asked: Asked) -> Response:
        """What happened, newest first."""
        params = asked.read(EventsParams)
        kinds = {*params.types, *([params.type] if params.type else [])}
        fitting = [
            event
            for event in reversed(self._account.events.values())
            if params.holds(event.created_at) and (not kinds or event.kind in kinds)
        ]
        return self._front.listed(fitting, params=params, show=self._notices.shown, path="/events")

    async def read_event(self, asked: Asked) -> Response:
        """One event."""
        event = self._account.events.get(asked.path_id)
        if event is None:
            raise missing("event", asked.path_id)
        return json_reply(self._notices.shown(event))

    def _dispute(self, asked: Asked) -> Dispute:
        found = self._account.books.disputes.get(asked.path_id)
        if found is None:
            raise missing("dispute", asked.path_id)
        return found

    def _one(self, asked: Asked, shown: Shown) -> Response:
        return json_reply(wire.expanded(self._account, shown, asked.read(Params).expand))
