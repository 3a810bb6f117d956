"""The form that every simulated hosted page has: what a customer, or trouble, can do there."""

from dataclasses import dataclass
from html import escape
from typing import Final, Literal
from urllib.parse import parse_qs

from starlette.requests import Request

from kiti.sandbox.replies import BodyRefused, read_body

LATE_S: Final = 60.0
_LATE_S_MAX: Final = 86_400.0
Action = Literal["pay", "decline", "cancel", "pay_late", "pay_wrong_amount"]
_ACTIONS: Final = ("pay", "decline", "cancel", "pay_late", "pay_wrong_amount")


class FormRefused(Exception):
    """The form cannot be read, or asks for what cannot be done here: a title and a sentence."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the customer did; `delay_s` is for `pay_late`."""

    action: Action
    delay_s: float


async def read_submitted(request: Request) -> Submitted:
    """The form sent.

    Raises:
        FormRefused.
    """
    try:
        form = parse_qs((await read_body(request)).decode(), max_num_fields=20)
    except (BodyRefused, ValueError):
        raise FormRefused("That form cannot be read", "Go back and try again.") from None
    action = form.get("action", [""])[0]
    delay_s = _seconds(form.get("delay_s", [""])[0])
    if action not in _ACTIONS or delay_s is None:
        detail = f"action is one of {', '.join(_ACTIONS)}; delay_s is 0 to {_LATE_S_MAX:.0f}."
        raise FormRefused("That cannot be done here", detail)
    return Submitted(action, delay_s)


def _seconds(written: str) -> float | None:
    """The delay asked for; the default when nothing is written; None when it cannot be."""
    if not written:
        return LATE_S
    try:
        seconds = float(written)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _LATE_S_MAX else None


def details(amount: str, reference: str, customer: str) -> str:
    """The amount, and for what and whom, as markup."""
    return (
        f'<p class="amount">{escape(amount)}</p>'
        f"<dl><dt>Reference</dt><dd>{escape(reference)}</dd>"
        f"<dt>Customer</dt><dd>{escape(customer)}</dd></dl>"
    )


def _button(action: str, label: str) -> str:
    return f'<button name="action" value="{action}">{label}</button>'


FORM: Final = (
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
