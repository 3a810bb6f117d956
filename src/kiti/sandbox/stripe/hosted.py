"""The hosted page of Checkout: where the customer pays, or does something else."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.hosted_form import FORM, FormRefused, details, read_submitted
from kiti.sandbox.pages import page, paragraph
from kiti.sandbox.stripe.account import Account
from kiti.sandbox.stripe.amounts import from_major, step, to_text
from kiti.sandbox.stripe.model import Intent, Session
from kiti.sandbox.stripe.notices import NAME, Notices


class HostedPage:
    """What stands behind a session's address. Never waits for the merchant's webhook."""

    def __init__(self, core: Core, account: Account, notices: Notices) -> None:
        self._core = core
        self._account = account
        self._notices = notices

    def routes(self) -> list[Route]:
        """The page and its form."""
        path = "/stripe/c/pay/{id}"
        return [
            Route(path, self.submit, methods=["POST"]),
            Route(path, self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page with the amount and what one can do."""
        self._core.calls[NAME, "page"] += 1
        session = self._account.sessions.get(request.path_params["id"])
        if session is None:
            return _unknown()
        if closed := self._closed(session):
            return closed
        amount = to_text(session.amount, session.currency)
        reference = session.client_reference_id or session.session_id
        return page(session.title, details(amount, reference, session.customer_email or "") + FORM)

    async def submit(self, request: Request) -> Response:
        """What the customer did. The merchant hears of it by webhook, not by the redirect."""
        self._core.calls[NAME, "submit"] += 1
        session = self._account.sessions.get(request.path_params["id"])
        if session is None:
            return _unknown()
        try:
            submitted = await read_submitted(request)
        except FormRefused as refused:
            return page(refused.title, paragraph(refused.detail), 400)
        if closed := self._closed(session):
            return closed
        if submitted.action == "cancel":
            return RedirectResponse(session.cancel_url or session.success_url, status_code=303)
        if submitted.action == "decline":
            self._decline(session)
            return RedirectResponse(request.url.path, status_code=303)  # the page stays open
        return self._pay(session, submitted.action, submitted.delay_s)

    def _decline(self, session: Session) -> None:
        now = self._core.clock.now()
        intent = self._account.intent_at(session, now)
        charge = self._account.charge(intent, "failed", now)
        self._notices.charge("failed", charge)
        self._notices.intent("payment_failed", intent)

    def _pay(self, session: Session, action: str, delay_s: float) -> Response:
        """The money comes, now or late, bent by the action or by the session's fault."""
        now, twist = self._core.clock.now(), session.twist
        kind = twist.kind if twist else None
        amount: int | None = None
        currency: str | None = None
        if action == "pay_wrong_amount" or kind == "wrong_amount":
            wrong = twist.order.amount if twist and kind == "wrong_amount" else None
            amount = (
                session.amount - step(session.currency)
                if wrong is None
                else from_major(wrong, session.currency)
            )
        if twist and kind == "wrong_currency":
            currency = twist.currency(session.currency.upper()).lower()
        late_s = delay_s if action == "pay_late" else None
        if twist and kind == "succeed_late":
            late_s = twist.delay_s
        session.status = "complete"
        # Stripe takes a session's money once; another intent is what a bug would make of it.
        more = twist.order.copies - 1 if twist and kind == "duplicate" else 0
        intents = [self._account.intent_at(session, now)]
        intents += [self._account.intent_beside(session, now) for _ in range(more)]
        for intent in intents:
            status = "succeeded" if late_s is None else "pending"
            self._account.charge(intent, status, now, amount=amount, currency=currency)
            self._tell(intent, late_s)
        self._notices.session("completed", session)
        return RedirectResponse(session.success_url, status_code=303)

    def _tell(self, intent: Intent, late_s: float | None) -> None:
        if late_s is None:
            self._notices.charge("succeeded", self._account.charges[intent.charge_ids[-1]])
            self._notices.intent("succeeded", intent)
        else:
            self._notices.intent("processing", intent)
            self._core.clock.call_in(late_s, lambda: self._succeed(intent.intent_id))

    def _succeed(self, intent_id: str) -> None:
        self.finish(intent_id, is_paid=True)

    def finish(self, intent_id: str, *, is_paid: bool) -> bool:
        """A payment under way comes to its end; False when there is none."""
        intent = self._account.intents.get(intent_id)
        if intent is None:
            return False
        charge = self._account.finish(intent, is_paid=is_paid, now=self._core.clock.now())
        if charge is None:
            return False
        session = self._account.sessions.get(intent.session_id or "")
        self._notices.charge("succeeded" if is_paid else "failed", charge)
        self._notices.intent("succeeded" if is_paid else "payment_failed", intent)
        if session is not None:
            end = "succeeded" if is_paid else "failed"
            self._notices.session(f"async_payment_{end}", session)
        return True

    def _closed(self, session: Session) -> Response | None:
        """The answer of a session that is used or over; None while one may pay here.

        A second submit after a success (a double click) leads back again and charges nothing.
        """
        if session.status == "complete":
            return RedirectResponse(session.success_url, status_code=303)
        if session.status == "open" and self._core.clock.now() < session.expires_at:
            return None
        return page("This checkout has expired", paragraph("Ask the seller for a new one."), 410)


def _unknown() -> Response:
    return page("There is no such payment", paragraph("Ask the seller for a new link."), 404)
