"""The simulated merchant account: what was asked, paid and given back. No I/O.

Money that moves writes a line into the books.
"""

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from kiti.sandbox.faults import Fault
from kiti.sandbox.stripe.amounts import step
from kiti.sandbox.stripe.books import Books
from kiti.sandbox.stripe.model import (
    Charge,
    ChargeStatus,
    Event,
    Intent,
    Options,
    Refund,
    RefundStatus,
    Refused,
    Session,
)
from kiti.sandbox.stripe.terms import RefundParams, SessionParams

SESSIONS_MAX: Final = 100_000
EVENTS_MAX: Final = 20_000
_CLAUSE: Final = re.compile(
    r"""\s*(?:metadata\[["'](?P<key>[^"']+)["']\]|(?P<field>status|currency))\s*:\s*"""
    r"""["'](?P<value>[^"']*)["']\s*\Z"""
)


def new_id(prefix: str) -> str:
    """An id as Stripe's are: `pi_` and 24 letters and digits, never given before."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Account:
    """State in memory, the oldest sessions forgotten beyond a limit. Methods take `now`, aware."""

    def __init__(self, *, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions_max = sessions_max
        self.reset()

    def reset(self) -> None:
        """Forget all. Ids are random, so none comes twice."""
        self.options = Options()
        self.books = Books()
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.intents: OrderedDict[str, Intent] = OrderedDict()
        self.charges: dict[str, Charge] = {}
        self.refunds: OrderedDict[str, Refund] = OrderedDict()
        self.events: OrderedDict[str, Event] = OrderedDict()

    def open_session(self, params: SessionParams, *, twist: Fault | None, now: datetime) -> Session:
        """A new Checkout Session."""
        session = Session(
            session_id=f"cs_test_{secrets.token_hex(29)}",
            amount=params.amount,
            currency=params.currency,
            title=params.title,
            created_at=now,
            expires_at=params.ends_at(now),
            success_url=params.success_url,
            cancel_url=params.cancel_url,
            client_reference_id=params.client_reference_id,
            customer_email=params.customer_email,
            method_types=params.payment_method_types or ("card",),
            metadata=dict(params.metadata),
            intent_metadata=dict(params.payment_intent_data.metadata),
            twist=twist,
        )
        self.sessions[session.session_id] = session
        while len(self.sessions) > self._sessions_max:
            self._forget_oldest()
        return session

    def sessions_of(self, *, reference: str | None, limit: int) -> list[Session]:
        """The newest sessions, newest first; None means under any reference."""
        fitting = (
            session
            for session in reversed(self.sessions.values())
            if reference in {None, session.client_reference_id}
        )
        return [session for session, _ in zip(fitting, range(limit), strict=False)]

    def expire(self, session: Session) -> None:
        """Nobody can pay there any more.

        Raises:
            Refused: it is not open.
        """
        if session.status != "open":
            raise Refused(
                'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
                f"Session has a status of `{session.status}`."
            )
        session.status = "expired"
        intent = self.intents.get(session.intent_id or "")
        if intent is not None:
            intent.status = "canceled"

    def reference_of(self, intent: Intent) -> str | None:
        """The merchant's reference of a payment, as their session has it, or their metadata."""
        session = self.sessions.get(intent.session_id or "")
        found = session.client_reference_id if session is not None else None
        return found or intent.metadata.get("reference")

    def add_event(self, kind: str, shown: dict[str, object], now: datetime) -> Event:
        """Something happened; the oldest are forgotten."""
        event = Event(new_id("evt"), kind, now, shown)
        self.events[event.event_id] = event
        while len(self.events) > EVENTS_MAX:
            self.events.popitem(last=False)
        return event

    def intent_at(self, session: Session, now: datetime) -> Intent:
        """The session's payment intent, made when somebody first tries to pay there."""
        if session.intent_id is None:
            intent = self.intent_beside(session, now)
            intent.session_id = session.session_id
            session.intent_id = intent.intent_id
        return self.intents[session.intent_id]

    def intent_beside(self, session: Session, now: datetime) -> Intent:
        """An intent for the same as the session's, that is not the session's."""
        return self.new_intent(
            amount=session.amount,
            currency=session.currency,
            metadata=session.intent_metadata,
            now=now,
        )

    def new_intent(
        self, *, amount: int, currency: str, metadata: dict[str, str], now: datetime
    ) -> Intent:
        """A payment intent of its own."""
        intent = Intent(new_id("pi"), amount, currency, dict(metadata), now)
        self.intents[intent.intent_id] = intent
        return intent

    def charge(
        self,
        intent: Intent,
        status: ChargeStatus,
        now: datetime,
        *,
        amount: int | None = None,
        currency: str | None = None,
    ) -> Charge:
        """One try to take the money; by default what was asked."""
        intent.currency = currency or intent.currency
        charge = Charge(
            charge_id=new_id("ch"),
            intent_id=intent.intent_id,
            amount=intent.amount if amount is None else amount,
            currency=intent.currency,
            metadata=dict(intent.metadata),
            created_at=now,
            status=status,
        )
        self.charges[charge.charge_id] = charge
        intent.charge_ids.append(charge.charge_id)
        if status == "failed":
            intent.status, intent.decline_code = "requires_payment_method", "generic_decline"
        elif status == "pending":
            intent.status = "processing"
        else:
            self._take(intent, charge, now)
        return charge

    def finish(self, intent: Intent, *, is_paid: bool, now: datetime) -> Charge | None:
        """A payment under way comes to its end; None when it has ended before."""
        if intent.status != "processing":
            return None
        charge = self.charges[intent.charge_ids[-1]]
        if is_paid:
            charge.status = "succeeded"
            self._take(intent, charge, now)
        else:
            charge.status = "failed"
            intent.status, intent.decline_code = "requires_payment_method", "generic_decline"
        return charge

    def _take(self, intent: Intent, charge: Charge, now: datetime) -> None:
        intent.status, intent.received, intent.decline_code = "succeeded", charge.amount, None
        charge.line_id = self.books.charge(charge, now).line_id

    def paid_charge(self, params: RefundParams) -> Charge:
        """What a refund is of.

        Raises:
            Refused: there is none, or it was not paid.
        """
        if params.charge is not None:
            charge = self.charges.get(params.charge)
            if charge is None:
                raise missing("charge", params.charge, param="charge")
        else:
            intent = self.intents.get(params.payment_intent or "")
            if intent is None:
                raise missing("payment_intent", params.payment_intent or "", param="payment_intent")
            charge = self.charges[intent.charge_ids[-1]] if intent.charge_ids else None
        if charge is None or charge.status != "succeeded":
            raise Refused("This PaymentIntent does not have a successful charge to refund.")
        return charge

    def refund(
        self,
        charge: Charge,
        *,
        amount: int | None,
        params: RefundParams,
        status: RefundStatus,
        now: datetime,
    ) -> Refund:
        """Give back `amount`, or all that is left when None.

        Raises:
            Refused: more than is left of it, or the payer's bank has it already.
        """
        left = charge.amount - charge.refunded
        amount = left if amount is None else amount
        if charge.is_disputed:
            raise Refused(
                f"Charge {charge.charge_id} has been charged back.", code="charge_disputed"
            )
        if left == 0:
            raise Refused(
                f"Charge {charge.charge_id} has already been refunded.",
                code="charge_already_refunded",
            )
        if not 0 < amount <= left or amount % step(charge.currency):
            raise Refused(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
                param="amount",
            )
        refund = Refund(
            refund_id=new_id("re"),
            charge_id=charge.charge_id,
            intent_id=charge.intent_id,
            amount=amount,
            currency=charge.currency,
            metadata=dict(params.metadata),
            reason=params.reason,
            created_at=now,
            status=status,
        )
        self.refunds[refund.refund_id] = refund
        charge.refund_ids.append(refund.refund_id)
        charge.refunded += amount
        refund.line_id = self.books.refund(refund, now).line_id
        if status == "failed":
            self._give_back(refund, now)
        return refund

    def finish_refund(self, refund: Refund, status: RefundStatus, now: datetime) -> bool:
        """A refund under way comes to its end; False when it has ended before."""
        if refund.status != "pending":
            return False
        refund.status = status
        if status == "failed":
            self._give_back(refund, now)
        return True

    def _give_back(self, refund: Refund, now: datetime) -> None:
        refund.failure_reason = "lost_or_stolen_card"
        self.charges[refund.charge_id].refunded -= refund.amount
        refund.failure_line_id = self.books.refund_failure(refund, now).line_id

    def search_intents(self, query: str, now: datetime) -> Iterator[Intent]:
        """The intents that fit, newest first, once the search has seen them.

        Raises:
            Refused: the query is not of the kind known here: clauses joined by AND.
        """
        clauses = [_CLAUSE.match(part) for part in re.split(r"\s+AND\s+", query)]
        if not all(clauses):
            raise Refused("We were unable to parse your search query", param="query")
        for intent in reversed(self.intents.values()):
            age_s = (now - intent.created_at).total_seconds()
            if age_s < self.options.search_delay_s:
                continue
            if all(_fits(intent, clause) for clause in clauses if clause is not None):
                yield intent

    def _forget_oldest(self) -> None:
        _, session = self.sessions.popitem(last=False)
        intent = self.intents.pop(session.intent_id or "", None)
        for charge_id in intent.charge_ids if intent else []:
            for refund_id in self.charges.pop(charge_id).refund_ids:
                del self.refunds[refund_id]


def _fits(intent: Intent, clause: re.Match[str]) -> bool:
    key, field, value = clause["key"], clause["field"], clause["value"]
    if key is not None:
        return intent.metadata.get(key) == value
    return value == (intent.status if field == "status" else intent.currency)


def missing(what: str, asked: str, *, param: str = "id") -> Refused:
    """Stripe's 404: there is no such thing."""
    return Refused(f"No such {what}: '{asked}'", status=404, code="resource_missing", param=param)
