"""The simulated Flutterwave as a whole: its parts put together."""

from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.flutterwave import wire
from kiti.sandbox.flutterwave.account import Account
from kiti.sandbox.flutterwave.after_sales import AfterSales
from kiti.sandbox.flutterwave.api import PREFIX, Api
from kiti.sandbox.flutterwave.finance import Finance
from kiti.sandbox.flutterwave.hosted import HostedPage
from kiti.sandbox.flutterwave.model import Charge, Checkout
from kiti.sandbox.flutterwave.notices import NAME, Notices
from kiti.sandbox.flutterwave.steering import Steering


class FlutterwaveGateway:
    """One merchant's account and all that speaks for it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._account = Account(core.clock.now())
        self._finance = Finance(self._account)
        self._notices = Notices(core, self._account)

    @property
    def name(self) -> str:
        """As in orders for faults."""
        return NAME

    def routes(self) -> list[Route]:
        """All routes, hot ones first."""
        core, account, notices = self._core, self._account, self._notices
        return [
            *Api(core, account, notices).routes(),
            *HostedPage(core, account, notices).routes(),
            *AfterSales(core, account, self._finance).routes(),
            *Steering(core, account, self._finance, notices).routes(),
        ]

    def payments(self, *, reference: str | None, limit: int) -> list[dict[str, object]]:
        """Links with their attempts and refunds, newest first."""
        found = self._account.checkouts(reference=reference, limit=limit)
        return [self._payment(checkout) for checkout in found]

    def _payment(self, checkout: Checkout) -> dict[str, object]:
        terms = checkout.terms
        return {
            "gateway": NAME,
            "reference": terms.tx_ref,
            "path": f"{PREFIX}/hosted/pay/{checkout.token}",
            "amount": terms.amount,
            "currency": terms.currency,
            "redirectUrl": terms.redirect_url,
            "meta": terms.meta,
            "createdAt": wire.instant(checkout.created_at),
            "charges": [self._charge(charge) for charge in self._account.charges_at(checkout)],
        }

    def _charge(self, charge: Charge) -> dict[str, object]:
        refunds = self._account.refunds_of(charge.charge_id)
        return {
            "id": charge.charge_id,
            "status": charge.status,
            "amount": charge.amount,
            "currency": charge.currency,
            "refunds": [wire.made_refund(refund) for refund in refunds],
        }

    def reset(self) -> None:
        """Forget everything but the ids used."""
        self._account.reset()
        self._finance.reset()

    def summary(self) -> str:
        """Whether it is on, and where."""
        settings = self._core.settings
        if not settings.flutterwave_secret_key:
            return "flutterwave: off, FLUTTERWAVE_SECRET_KEY is not set"
        if not settings.flutterwave_webhook_secret_hash:
            return f"flutterwave: {PREFIX}, webhooks unsigned (no FLUTTERWAVE_WEBHOOK_SECRET_HASH)"
        return f"flutterwave: {PREFIX}"
