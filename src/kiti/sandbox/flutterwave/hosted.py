"""The hosted page: where the customer pays, or does something else, and is sent back."""

from decimal import Decimal
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.currency import exponent, minor_unit
from kiti.sandbox.flutterwave.account import Account, is_open
from kiti.sandbox.flutterwave.api import PREFIX
from kiti.sandbox.flutterwave.model import Charge, Checkout
from kiti.sandbox.flutterwave.notices import NAME, Notices
from kiti.sandbox.hosted_form import FORM, FormRefused, details, read_submitted
from kiti.sandbox.pages import page, paragraph


class HostedPage:
    """What stands behind a link. Never waits for the merchant's webhook."""

    def __init__(self, core: Core, account: Account, notices: Notices) -> None:
        self._core = core
        self._account = account
        self._notices = notices

    def routes(self) -> list[Route]:
        """The page and its form."""
        path = f"{PREFIX}/hosted/pay/{{token}}"
        return [
            Route(path, self.submit, methods=["POST"]),
            Route(path, self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page with the amount and what one can do."""
        self._core.calls[NAME, "page"] += 1
        checkout = self._account.find_checkout(request.path_params["token"])
        if checkout is None:
            return _unknown()
        if closed := self._closed(checkout):
            return closed
        terms = checkout.terms
        amount = f"{terms.amount:,.{exponent(terms.currency)}f} {terms.currency}"
        return page(terms.title, details(amount, terms.tx_ref, terms.customer.email) + FORM)

    async def submit(self, request: Request) -> Response:
        """What the customer did. The merchant hears of it by webhook, not by the redirect."""
        self._core.calls[NAME, "submit"] += 1
        checkout = self._account.find_checkout(request.path_params["token"])
        if checkout is None:
            return _unknown()
        try:
            submitted = await read_submitted(request)
        except FormRefused as refused:
            return page(refused.title, paragraph(refused.detail), 400)
        if closed := self._closed(checkout):
            return closed
        if submitted.action == "cancel":
            return _leave(checkout, "cancelled", None)
        if submitted.action == "decline":
            charge = self._account.charge(checkout, status="failed", now=self._core.clock.now())
            self._notices.charge(charge)
            return _leave(checkout, "failed", charge)
        return self._pay(checkout, submitted.action, submitted.delay_s)

    def _pay(self, checkout: Checkout, action: str, delay_s: float) -> Response:
        """The money comes, now or late, bent by the action or by the link's fault."""
        terms, twist = checkout.terms, checkout.twist
        kind = twist.kind if twist else None
        amount: Decimal | None = None
        currency: str | None = None
        if action == "pay_wrong_amount":
            amount = terms.amount - minor_unit(terms.currency)
        if twist and kind == "wrong_amount":
            amount = twist.order.amount or terms.amount - minor_unit(terms.currency)
        if twist and kind == "wrong_currency":
            currency = twist.currency(terms.currency)
        late_s = delay_s if action == "pay_late" else None
        if twist and kind == "succeed_late":
            late_s = twist.delay_s
        charges: list[Charge] = []
        for _ in range(twist.order.copies if twist and kind == "duplicate" else 1):
            charge = self._account.charge(
                checkout,
                status="successful" if late_s is None else "pending",
                now=self._core.clock.now(),
                amount=amount,
                currency=currency,
            )
            charges.append(charge)
            self._tell(charge, late_s)
        return _leave(checkout, "successful" if late_s is None else "pending", charges[0])

    def _tell(self, charge: Charge, late_s: float | None) -> None:
        if late_s is None:
            self._notices.charge(charge)
        else:
            self._core.clock.call_in(late_s, lambda: self._succeed(charge.charge_id))

    def _succeed(self, charge_id: int) -> None:
        charge = self._account.finish_charge(charge_id, "successful")
        if charge is not None:
            self._notices.charge(charge)

    def _closed(self, checkout: Checkout) -> Response | None:
        """The answer of a link that is used or over; None while one may pay here.

        A second submit after a success (a double click) leads back again and charges nothing.
        """
        charges = self._account.charges_at(checkout)
        for charge in charges:
            if charge.status == "successful":
                return _leave(checkout, "successful", charge)
        now = self._core.clock.now()
        checkout.opened_at = checkout.opened_at or now
        if is_open(checkout, charges, now):
            return None
        return page(
            "This payment link has expired", paragraph("Ask the seller for a new one."), 410
        )


def _leave(checkout: Checkout, status: str, charge: Charge | None) -> Response:
    """Back to the merchant; or, when they named no address, a last page."""
    query = {"status": status, "tx_ref": checkout.terms.tx_ref}
    if charge is not None:
        query["transaction_id"] = str(charge.charge_id)
    if checkout.terms.redirect_url is None:
        return page(f"Payment {status}", paragraph("You can close this page."))
    parts = urlsplit(checkout.terms.redirect_url)
    whole = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return RedirectResponse(urlunsplit(parts._replace(query=whole)), status_code=303)


def _unknown() -> Response:
    return page("There is no such payment", paragraph("Ask the seller for a new link."), 404)
