"""What a passenger gets back: an operator's rules as data, and the pure function that applies them.

A policy is a list of rules. In this order the first that applies wins: the operator cancels, the
passenger did not show up, the last minutes before departure, the first hours after the purchase,
the hours before departure from many to few, and a rule without a condition. None applies: nothing
goes back. Bounds are inclusive unless the rule says exclusive; amounts are rounded down, seat by
seat, so that parts never come to more than the whole.

Source: the published rules of ten operators (the golden cases of the tests).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kiti.platform.errors import Invalid
from kiti.platform.money import Money

Method = Literal["ORIGINAL", "CREDIT"]

RULES_MAX: Final = 50
HOURS_MAX: Final = 24 * 366
Percent = Annotated[int, Field(ge=0, le=100)]


class RefundPolicyInvalid(Invalid):
    """The refund policy is no list of rules that can be applied."""


class Rule(BaseModel):
    """One rule. At most one condition; without one it applies whenever no other does.

    `refund_percent` goes back `to` the passenger's credit ("wallet") or the way it came ("bank",
    the default); with `bank_transfer_percent` a wallet rule offers that much the way it came as
    well. `open_days`, `rebook_fee` (minor units) and `note` are told, and price nothing here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    operator_cancels: Literal[True] | None = None
    no_show: Literal[True] | None = None
    minutes_before_max: Annotated[int, Field(ge=0, le=HOURS_MAX * 60)] | None = None
    within_hours_of_purchase: Annotated[int, Field(ge=0, le=HOURS_MAX)] | None = None
    hours_before_min: Annotated[int, Field(ge=0, le=HOURS_MAX)] | None = None
    exclusive: bool = False
    refund_percent: Percent
    to: Literal["wallet", "bank"] = "bank"
    bank_transfer_percent: Percent | None = None
    booking_fee_refunded: bool = True
    open_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    rebook_fee: Annotated[int, Field(ge=0)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        conditions = (
            self.operator_cancels,
            self.no_show,
            self.minutes_before_max,
            self.within_hours_of_purchase,
            self.hours_before_min,
        )
        if sum(condition is not None for condition in conditions) > 1:
            raise ValueError("a rule has one condition at most")
        if self.bank_transfer_percent is not None and self.to != "wallet":
            raise ValueError("bank_transfer_percent goes with to: wallet")
        return self

    @property
    def text(self) -> str:
        """The rule in a few words, as the offer names it."""
        if self.operator_cancels:
            when = "the operator cancels or moves the trip"
        elif self.no_show:
            when = "after departure, or not on board"
        elif self.minutes_before_max is not None:
            when = f"in the last {self.minutes_before_max} minutes"
        elif self.within_hours_of_purchase is not None:
            when = f"within {self.within_hours_of_purchase} h of the purchase"
        elif self.hours_before_min is not None:
            bound = "more than" if self.exclusive else "at least"
            when = f"{bound} {self.hours_before_min} h before departure"
        else:
            when = "before departure"
        return f"{when}: {self.refund_percent} %"


class Policy(BaseModel):
    """An operator's refund policy."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rules: Annotated[tuple[Rule, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _has_rules(self) -> Self:
        if not 1 <= len(self.rules) <= RULES_MAX:
            raise ValueError(f"a policy has 1 to {RULES_MAX} rules")
        return self


# For operators that have set none: kind early, fair late, and the last word is theirs.
DEFAULT: Final = Policy(
    rules=(
        Rule(operator_cancels=True, refund_percent=100),
        Rule(within_hours_of_purchase=1, refund_percent=100),
        Rule(hours_before_min=24, refund_percent=90),
        Rule(hours_before_min=2, refund_percent=50),
        Rule(no_show=True, refund_percent=0),
    )
)


def parse_policy(text: str) -> Policy:
    """A policy from its JSON, `{"rules": [...]}`.

    Raises:
        RefundPolicyInvalid: with where and what.
    """
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        faults = [
            {"pointer": "/".join(("#", *map(str, fault["loc"]))), "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise RefundPolicyInvalid(errors=faults[:20]) from None


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is asked: `now`, the boarding stop's departure, and the purchase, all instants.

    `operator_cancels`: the trip does not run as it was sold, whatever the hour.
    """

    now: datetime
    departs_at: datetime
    bought_at: datetime
    operator_cancels: bool = False

    @property
    def before(self) -> timedelta:
        """How long before departure it is; below zero after it."""
        return self.departs_at - self.now


@dataclass(frozen=True, slots=True)
class Terms:
    """What goes back by one method of what was paid, and what is kept; the rule that says so."""

    method: Method
    amount: Money
    kept: Money
    rule: str


def rule_at(policy: Policy, moment: Moment) -> Rule | None:
    """The rule that applies; None: none does, and nothing goes back."""
    if moment.operator_cancels:
        return _first(r for r in policy.rules if r.operator_cancels)
    if moment.before < timedelta(0):
        return _first(r for r in policy.rules if r.no_show)
    for rule in policy.rules:
        last = rule.minutes_before_max
        if last is not None and _is_at_most(moment.before, timedelta(minutes=last), rule):
            return rule
    for rule in policy.rules:
        first = rule.within_hours_of_purchase
        since = moment.now - moment.bought_at
        if first is not None and _is_at_most(since, timedelta(hours=first), rule):
            return rule
    by_hours = [(r.hours_before_min, r) for r in policy.rules if r.hours_before_min is not None]
    for hours, rule in sorted(by_hours, key=lambda pair: pair[0], reverse=True):
        bound = timedelta(hours=hours)
        if moment.before > bound or (moment.before == bound and not rule.exclusive):
            return rule
    return _first(r for r in policy.rules if _is_plain(r))


def _first(rules: Iterable[Rule]) -> Rule | None:
    return next(iter(rules), None)


def _is_at_most(length: timedelta, bound: timedelta, rule: Rule) -> bool:
    return length < bound or (length == bound and not rule.exclusive)


def _is_plain(rule: Rule) -> bool:
    return (
        rule.operator_cancels is None
        and rule.no_show is None
        and rule.minutes_before_max is None
        and rule.within_hours_of_purchase is None
        and rule.hours_before_min is None
    )


def terms_at(
    policy: Policy,
    moment: Moment,
    *,
    fares: Iterable[Money],
    currency: str,
    booking_fee_minor: int = 0,
) -> list[Terms]:
    """What each method gives back of these seats' fares, the most first.

    One way at least, perhaps of nothing. When the operator cancels and no rule says otherwise,
    everything goes back. `booking_fee_minor`: paid once beside the fares.
    """
    amounts = [fare.amount_minor for fare in fares]
    paid = sum(amounts) + booking_fee_minor
    rule = rule_at(policy, moment)
    if rule is None:
        back = paid if moment.operator_cancels else 0
        text = (
            "the operator cancels or moves the trip: 100 %"
            if moment.operator_cancels
            else "no rule: nothing"
        )
        return [_terms("ORIGINAL", back, paid, currency, text)]
    fee = booking_fee_minor if rule.booking_fee_refunded else 0

    def back_of(percent: int) -> int:
        return sum(amount * percent // 100 for amount in amounts) + fee * percent // 100

    ways: list[tuple[Method, int]] = [
        ("CREDIT" if rule.to == "wallet" else "ORIGINAL", rule.refund_percent)
    ]
    if rule.bank_transfer_percent is not None:
        ways.append(("ORIGINAL", rule.bank_transfer_percent))
    offers = [_terms(way, back_of(percent), paid, currency, rule.text) for way, percent in ways]
    return sorted(offers, key=lambda terms: -terms.amount.amount_minor)


def _terms(method: Method, back: int, paid: int, currency: str, rule: str) -> Terms:
    return Terms(method, Money(back, currency), Money(paid - back, currency), rule)


def changes_at(policy: Policy, moment: Moment) -> datetime | None:
    """The next instant at which another rule may apply; None: there is none any more."""
    bounds = [moment.departs_at]
    for rule in policy.rules:
        if rule.minutes_before_max is not None:
            bounds.append(moment.departs_at - timedelta(minutes=rule.minutes_before_max))
        if rule.within_hours_of_purchase is not None:
            bounds.append(moment.bought_at + timedelta(hours=rule.within_hours_of_purchase))
        if rule.hours_before_min is not None:
            bounds.append(moment.departs_at - timedelta(hours=rule.hours_before_min))
    return min((bound for bound in bounds if bound > moment.now), default=None)
