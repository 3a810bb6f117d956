"""The simulated Stripe as a whole: its parts put together."""

from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import Account
from kiti.sandbox.stripe.after_sales import AfterSales
from kiti.sandbox.stripe.api import Api
from kiti.sandbox.stripe.front import PREFIX, Front
from kiti.sandbox.stripe.hosted import HostedPage
from kiti.sandbox.stripe.model import Intent, Session
from kiti.sandbox.stripe.notices import NAME, Notices
from kiti.sandbox.stripe.steering import Steering


class StripeGateway:
    """One merchant's account and all that speaks for it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._account = Account()
        self._front = Front(core, self._account)
        self._notices = Notices(core, self._account)

    @property
    def name(self) -> str:
        """As in orders for faults."""
        return NAME

    def routes(self) -> list[Route]:
        """All routes, hot ones first."""
        hosted = HostedPage(self._core, self._account, self._notices)
        return [
            *Api(self._front, self._notices).routes(),
            *hosted.routes(),
            *AfterSales(self._front, self._notices).routes(),
            *Steering(self._core, self._account, self._notices, hosted).routes(),
        ]

    def payments(self, *, reference: str | None, limit: int) -> list[dict[str, object]]:
        """Sessions with what was paid in them and beside them, newest first."""
        found = self._account.sessions_of(reference=reference, limit=limit)
        return [self._payment(session) for session in found]

    def _payment(self, session: Session) -> dict[str, object]:
        reference = session.client_reference_id
        intents = [
            intent
            for intent in self._account.intents.values()
            if session.session_id == intent.session_id
            or (reference is not None and self._account.reference_of(intent) == reference)
        ]
        return {
            "gateway": NAME,
            "reference": reference,
            "id": session.session_id,
            "path": f"/stripe/c/pay/{session.session_id}",
            "status": session.status,
            "amount": session.amount,
            "currency": session.currency.upper(),
            "redirectUrl": session.success_url,
            "meta": session.metadata,
            "createdAt": session.created_at.isoformat(),
            "charges": [self._charge(intent) for intent in intents if intent.charge_ids],
        }

    def _charge(self, intent: Intent) -> dict[str, object]:
        charge = self._account.charges[intent.charge_ids[-1]]
        refunds = [self._account.refunds[each] for each in charge.refund_ids]
        return {
            "id": intent.intent_id,
            "status": intent.status,
            "amount": charge.amount,
            "currency": charge.currency.upper(),
            "refunds": [wire.refund(refund) for refund in refunds],
        }

    def reset(self) -> None:
        """Forget everything. Ids are random: none comes twice."""
        self._account.reset()
        self._front.idempotency.clear()

    def summary(self) -> str:
        """Whether it is on, and where."""
        settings = self._core.settings
        if not settings.stripe_secret_key:
            return "stripe: off, STRIPE_SECRET_KEY is not set"
        if not settings.stripe_webhook_secret:
            return f"stripe: {PREFIX}, webhooks unsigned (no STRIPE_WEBHOOK_SECRET)"
        return f"stripe: {PREFIX}"
