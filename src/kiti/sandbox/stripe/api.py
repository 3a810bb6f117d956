"""The calls that move money: Checkout Sessions, payment intents, charges, refunds."""

from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.faults import Fault
from kiti.sandbox.replies import json_reply
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import missing
from kiti.sandbox.stripe.amounts import from_major, step
from kiti.sandbox.stripe.form import Params
from kiti.sandbox.stripe.front import Asked, Front
from kiti.sandbox.stripe.model import Charge, Intent, Refund, RefundStatus, Refused, Session
from kiti.sandbox.stripe.notices import Notices, twisted
from kiti.sandbox.stripe.terms import PaymentsParams, RefundParams, SearchParams, SessionParams
from kiti.sandbox.stripe.wire import Shown

_SESSIONS = "/checkout/sessions"


class Api:
    """Sessions, intents, charges, refunds."""

    def __init__(self, front: Front, notices: Notices) -> None:
        self._front = front
        self._core = front.core
        self._account = front.account
        self._notices = notices

    def routes(self) -> list[Route]:
        """The routes, hot ones first."""
        route = self._front.route
        return [
            route("POST", _SESSIONS, "create", self.create),
            route("GET", _SESSIONS, "sessions", self.sessions),
            route("GET", f"{_SESSIONS}/{{id}}", "verify", self.read_session),
            route("POST", f"{_SESSIONS}/{{id}}/expire", "expire", self.expire),
            route("GET", "/payment_intents/search", "search", self.search),
            route("GET", "/payment_intents", "payment_intents", self.intents),
            route("GET", "/payment_intents/{id}", "verify", self.read_intent),
            route("GET", "/charges", "charges", self.charges),
            route("GET", "/charges/{id}", "charges", self.read_charge),
            route("POST", "/refunds", "refund", self.refund),
            route("GET", "/refunds", "refunds", self.refunds),
            route("GET", "/refunds/{id}", "refunds", self.read_refund),
        ]

    async def create(self, asked: Asked) -> Response:
        """A Checkout Session."""
        params = asked.read(SessionParams)
        now = self._core.clock.now()
        if asked.key is None or not self._front.idempotency.knows(asked.key):
            params.check(now)  # a replay is not checked again: its `expires_at` has come nearer

        def effect(fault: Fault | None) -> Shown:
            session = self._account.open_session(params, twist=fault, now=now)
            left_s = (session.expires_at - now).total_seconds()
            self._core.clock.call_in(left_s, lambda: self._end(session.session_id))
            return self._shown(asked, session, params.expand)

        return await self._front.run(asked, "create", params.client_reference_id, effect)

    def _end(self, session_id: str) -> None:
        """The session's time is over."""
        session = self._account.sessions.get(session_id)
        if session is not None and session.status == "open":
            self._account.expire(session)
            self._notices.session("expired", session)

    async def expire(self, asked: Asked) -> Response:
        """Close a session that is open."""
        params = asked.read(Params)
        session = self._session(asked.path_id)

        def effect(_: Fault | None) -> Shown:
            self._account.expire(session)
            self._notices.session("expired", session)
            return self._shown(asked, session, params.expand)

        return await self._front.run(asked, None, session.client_reference_id, effect)

    async def read_session(self, asked: Asked) -> Response:
        """One session."""
        params = asked.read(Params)
        session = self._session(asked.path_id)

        def effect(fault: Fault | None) -> Shown:
            return twisted(self._shown(asked, session, params.expand), fault)

        return await self._front.run(asked, "verify", session.client_reference_id, effect)

    async def sessions(self, asked: Asked) -> Response:
        """All sessions, newest first."""
        params = asked.read(PaymentsParams)
        fitting = [
            session
            for session in reversed(self._account.sessions.values())
            if params.holds(session.created_at)
            and params.payment_intent in {None, session.intent_id}
            and params.status in {None, session.status}
        ]
        return self._front.listed(
            fitting, params=params, show=lambda it: wire.session(self._account, it), path=_SESSIONS
        )

    async def read_intent(self, asked: Asked) -> Response:
        """One payment intent."""
        params = asked.read(Params)
        intent = self._intent(asked.path_id)

        def effect(fault: Fault | None) -> Shown:
            shown = wire.intent(intent)
            return twisted(wire.expanded(self._account, shown, params.expand), fault)

        return await self._front.run(asked, "verify", self._account.reference_of(intent), effect)

    async def intents(self, asked: Asked) -> Response:
        """All payment intents, newest first."""
        params = asked.read(PaymentsParams)
        fitting = [
            each
            for each in reversed(self._account.intents.values())
            if params.holds(each.created_at)
        ]
        return self._front.listed(fitting, params=params, show=wire.intent, path="/payment_intents")

    async def search(self, asked: Asked) -> Response:
        """Payment intents by metadata, as far as the search has seen them."""
        params = asked.read(SearchParams)
        found = list(self._account.search_intents(params.query, self._core.clock.now()))
        after = params.page or "0"
        start = int(after) if after.isdecimal() and len(after) < 9 else 0
        page = found[start : start + params.limit]
        end = start + len(page)
        shown: Shown = {
            "object": "search_result",
            "url": "/v1/payment_intents/search",
            "has_more": end < len(found),
            "next_page": str(end) if end < len(found) else None,
            "data": [wire.intent(each) for each in page],
        }
        reference = self._account.reference_of(page[0]) if page else None

        def effect(fault: Fault | None) -> Shown:
            return twisted(wire.expanded(self._account, shown, params.expand), fault)

        return await self._front.run(asked, "verify", reference, effect)

    async def charges(self, asked: Asked) -> Response:
        """All charges, newest first."""
        params = asked.read(PaymentsParams)
        fitting = [
            charge
            for charge in reversed(self._account.charges.values())
            if params.holds(charge.created_at) and params.payment_intent in {None, charge.intent_id}
        ]
        return self._front.listed(fitting, params=params, show=wire.charge, path="/charges")

    async def read_charge(self, asked: Asked) -> Response:
        """One charge."""
        charge = self._account.charges.get(asked.path_id)
        if charge is None:
            raise missing("charge", asked.path_id)
        return self._one(asked, wire.charge(charge))

    async def refund(self, asked: Asked) -> Response:
        """Money back, all that is left when no amount is given."""
        params = asked.read(RefundParams)
        params.check()
        charge = self._account.paid_charge(params)
        intent = self._account.intents[charge.intent_id]

        def effect(fault: Fault | None) -> Shown:
            refund = self._refund(charge, params, fault)
            if fault is not None and fault.kind == "duplicate":
                self._refund_again(charge, params)
            shown = wire.refund(refund)
            return wire.expanded(self._account, shown, params.expand)

        reference = self._account.reference_of(intent)
        return await self._front.run(asked, "refund", reference, effect)

    def _refund(self, charge: Charge, params: RefundParams, fault: Fault | None) -> Refund:
        kind = fault.kind if fault else None
        if fault and kind == "fail_refund" and fault.order.refuse:
            raise Refused(
                "Insufficient funds in your Stripe balance to refund this amount.",
                code="balance_insufficient",
            )
        amount = params.amount
        if fault and kind == "wrong_amount":
            asked_for = amount or charge.amount - charge.refunded
            wrong = fault.order.amount
            amount = (
                asked_for - step(charge.currency)
                if wrong is None
                else from_major(wrong, charge.currency)
            )
        end: RefundStatus = "failed" if kind == "fail_refund" else "succeeded"
        delay_s = fault.delay_s if fault and kind in {"fail_refund", "succeed_late"} else 0
        now = self._core.clock.now()
        status = "pending" if delay_s else end
        refund = self._account.refund(charge, amount=amount, params=params, status=status, now=now)
        self._notices.refund("created", refund)
        self._notices.charge("refunded", charge)
        if delay_s:
            self._core.clock.call_in(delay_s, lambda: self._finish_refund(refund, end))
        elif end == "failed":
            self._notices.refund("failed", refund)
        return refund

    def _refund_again(self, charge: Charge, params: RefundParams) -> None:
        """A repeated call without a key; what is not left to give is not given."""
        try:
            self._refund(charge, params, None)
        except Refused:
            return

    def _finish_refund(self, refund: Refund, end: RefundStatus) -> None:
        if refund.refund_id not in self._account.refunds:
            return
        if self._account.finish_refund(refund, end, self._core.clock.now()):
            self._notices.refund("failed" if end == "failed" else "updated", refund)

    async def refunds(self, asked: Asked) -> Response:
        """All refunds, newest first."""
        params = asked.read(PaymentsParams)
        fitting = [
            refund
            for refund in reversed(self._account.refunds.values())
            if params.holds(refund.created_at)
            and params.payment_intent in {None, refund.intent_id}
            and params.charge in {None, refund.charge_id}
        ]
        return self._front.listed(fitting, params=params, show=wire.refund, path="/refunds")

    async def read_refund(self, asked: Asked) -> Response:
        """One refund."""
        refund = self._account.refunds.get(asked.path_id)
        if refund is None:
            raise missing("refund", asked.path_id)
        return self._one(asked, wire.refund(refund))

    def _one(self, asked: Asked, shown: Shown) -> Response:
        expand = asked.read(Params).expand
        return json_reply(wire.expanded(self._account, shown, expand))

    def _shown(self, asked: Asked, session: Session, expand: tuple[str, ...]) -> Shown:
        origin = self._core.settings.public_url or asked.origin
        return wire.expanded(self._account, wire.session(self._account, session, origin), expand)

    def _session(self, session_id: str) -> Session:
        session = self._account.sessions.get(session_id)
        if session is None:
            raise missing("checkout.session", session_id)
        return session

    def _intent(self, intent_id: str) -> Intent:
        intent = self._account.intents.get(intent_id)
        if intent is None:
            raise missing("payment_intent", intent_id, param="intent")
        return intent
