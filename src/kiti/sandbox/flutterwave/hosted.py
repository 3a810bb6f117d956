"""The hosted page: where the customer pays, or does something else, and is sent back."""

from decimal import Decimal
from html import escape
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.currency import exponent, minor_unit
from kiti.sandbox.flutterwave.account import Account, is_open
from kiti.sandbox.flutterwave.api import PREFIX
from kiti.sandbox.flutterwave.model import Charge, Checkout
from kiti.sandbox.flutterwave.notices import NAME, Notices
from kiti.sandbox.pages import page, paragraph
from kiti.sandbox.replies import BodyRefused, read_body

LATE_S: Final = 60.0
_LATE_S_MAX: Final = 86_400.0
_ACTIONS: Final = ("pay", "decline", "cancel", "pay_late", "pay_wrong_amount")


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
        return page(
            terms.title,
            f'<p class="amount">{escape(amount)}</p>'
            f"<dl><dt>Reference</dt><dd>{escape(terms.tx_ref)}</dd>"
            f"<dt>Customer</dt><dd>{escape(terms.customer.email)}</dd></dl>" + _FORM,
        )

    async def submit(self, request: Request) -> Response:
        """What the customer did. The merchant hears of it by webhook, not by the redirect."""
        self._core.calls[NAME, "submit"] += 1
        checkout = self._account.find_checkout(request.path_params["token"])
        if checkout is None:
            return _unknown()
        try:
            form = parse_qs((await read_body(request)).decode(), max_num_fields=20)
        except (BodyRefused, ValueError):
            return page("That form cannot be read", paragraph("Go back and try again."), 400)
        action = form.get("action", [""])[0]
        delay_s = _seconds(form.get("delay_s", [""])[0])
        if action not in _ACTIONS or delay_s is None:
            detail = f"action is one of {', '.join(_ACTIONS)}; delay_s is 0 to {_LATE_S_MAX:.0f}."
            return page("That cannot be done here", paragraph(detail), 400)
        if closed := self._closed(checkout):
            return closed
        if action == "cancel":
            return _leave(checkout, "cancelled", None)
        if action == "decline":
            charge = self._account.charge(checkout, status="failed", now=self._core.clock.now())
            self._notices.charge(charge)
            return _leave(checkout, "failed", charge)
        return self._pay(checkout, action, delay_s)

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


def _seconds(written: str) -> float | None:
    """The delay asked for; the default when nothing is written; None when it cannot be."""
    if not written:
        return LATE_S
    try:
        seconds = float(written)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _LATE_S_MAX else None


def _button(action: str, label: str) -> str:
    return f'<button name="action" value="{action}">{label}</button>'


_FORM: Final = (
    '<form method="post">'
    "<fieldset><legend>As the customer</legend>"
    + _button("pay", "Pay")
    + _button("decline", "Let the card be declined")
    + _button("cancel", "Cancel")
    + "</fieldset><fieldset><legend>Trouble</legend>"
    + '<label for="delay_s">Seconds until a late payment succeeds</label>'
    + f'<input id="delay_s" name="delay_s" type="number" min="0" max="86400" value="{LATE_S:.0f}">'
    + _button("pay_late", "Pay late")
    + _button("pay_wrong_amount", "Pay one minor unit less")
    + "</fieldset></form>"
)
