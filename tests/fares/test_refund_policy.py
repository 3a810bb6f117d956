"""What goes back of a cancelled seat: the rules that real operators publish, and their bounds."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.fares.refund_policy import (
    DEFAULT,
    Moment,
    Policy,
    RefundPolicyInvalid,
    Rule,
    changes_at,
    parse_policy,
    terms_at,
)
from kiti.platform.money import Money

GOLDENS = Path(__file__).parents[3] / "shared" / "data" / "goldens" / "refund-policies.json"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def golden_cases() -> list[Any]:
    # Where the goldens are absent the list says so: one case that fails with their path.
    if not GOLDENS.exists():
        return [pytest.param(None, None, id=f"absent: {GOLDENS.name}")]
    return [
        pytest.param(policy, case, id=f"{policy['operator']} {number}")
        for policy in json.loads(GOLDENS.read_text(encoding="utf-8"))["policies"]
        for number, case in enumerate(policy["cases"])
    ]


def moment(*, hours_before: float = 72, hours_since: float = 1000, cancels: bool = False) -> Moment:
    return Moment(
        NOW,
        NOW + timedelta(hours=hours_before),
        NOW - timedelta(hours=hours_since),
        operator_cancels=cancels,
    )


@pytest.mark.parametrize(("policy", "case"), golden_cases())
def test_the_published_rules_give_the_published_sums(
    policy: dict[str, Any] | None, case: dict[str, Any] | None
):
    assert policy is not None, f"the goldens are needed at {GOLDENS}"
    assert case is not None
    terms = terms_at(
        parse_policy(json.dumps({"rules": policy["rules"]})),
        moment(
            hours_before=case.get("hours_before", 72),
            hours_since=case.get("hours_since_purchase", 1000),
            cancels=case.get("operator_cancels", False),
        ),
        fares=[Money(case["fare"], "NGN")],
        currency="NGN",
        booking_fee_minor=case.get("booking_fee", 0),
    )
    wanted = "ORIGINAL" if case.get("to") == "bank" else terms[0].method
    (chosen,) = [each for each in terms if each.method == wanted]
    assert chosen.amount == Money(case["refund"], "NGN")
    paid = case["fare"] + case.get("booking_fee", 0)
    assert chosen.amount.amount_minor + chosen.kept.amount_minor == paid


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([], "#"),
        ([{"refund_percent": 101}], "#/rules/0/refund_percent"),
        ([{"refund_percent": 50.5}], "#/rules/0/refund_percent"),
        ([{"refund_percent": "50"}], "#/rules/0/refund_percent"),
        ([{}], "#/rules/0/refund_percent"),
        ([{"refund_percent": 1, "no_show": False}], "#/rules/0/no_show"),
        ([{"refund_percent": 1, "no_show": True, "hours_before_min": 1}], "#/rules/0"),
        ([{"refund_percent": 1, "bank_transfer_percent": 1}], "#/rules/0"),
        ([{"refund_percent": 1, "percent": 1}], "#/rules/0/percent"),
        ([{"refund_percent": 1, "hours_before_min": -1}], "#/rules/0/hours_before_min"),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(rules: list[object], pointer: str):
    with pytest.raises(RefundPolicyInvalid) as refused:
        parse_policy(json.dumps({"rules": rules}))
    assert [fault["pointer"] for fault in refused.value.extension["errors"]] == [pointer]  # type: ignore[index]


def test_text_that_is_no_json_is_refused():
    with pytest.raises(RefundPolicyInvalid):
        parse_policy("{")


def test_an_operator_that_cancels_gives_everything_back_when_no_rule_says_otherwise():
    policy = Policy(rules=(Rule(refund_percent=0),))
    (terms,) = terms_at(policy, moment(cancels=True), fares=[Money(999, "KES")], currency="KES")
    assert (terms.method, terms.amount.amount_minor) == ("ORIGINAL", 999)


def test_after_departure_only_a_rule_for_it_gives_anything_back():
    late = moment(hours_before=-0.1)
    fares = [Money(1000, "KES")]
    plain = Policy(rules=(Rule(refund_percent=70),))
    with_rule = Policy(rules=(Rule(refund_percent=70), Rule(no_show=True, refund_percent=20)))
    assert terms_at(plain, late, fares=fares, currency="KES")[0].amount.amount_minor == 0
    assert terms_at(with_rule, late, fares=fares, currency="KES")[0].amount.amount_minor == 200


hours = st.integers(0, 100)
a_rule = st.one_of(
    st.builds(Rule, refund_percent=st.integers(0, 100), hours_before_min=hours),
    st.builds(Rule, refund_percent=st.integers(0, 100), within_hours_of_purchase=hours),
    st.builds(Rule, refund_percent=st.integers(0, 100), minutes_before_max=hours),
    st.builds(Rule, refund_percent=st.integers(0, 100), no_show=st.just(value=True)),
    st.builds(
        Rule,
        refund_percent=st.integers(0, 100),
        to=st.just("wallet"),
        bank_transfer_percent=st.none() | st.integers(0, 100),
    ),
)
a_policy = st.builds(Policy, rules=st.lists(a_rule, min_size=1, max_size=6).map(tuple))
a_moment = st.builds(
    moment,
    hours_before=st.floats(-5, 120, allow_nan=False),
    hours_since=st.floats(0, 120, allow_nan=False),
)
some_fares = st.lists(st.integers(0, 10**9), min_size=1, max_size=10)


@given(policy=a_policy, at=a_moment, amounts=some_fares)
def test_nothing_is_made_or_lost(policy: Policy, at: Moment, amounts: list[int]):
    fares = [Money(amount, "NGN") for amount in amounts]
    whole = terms_at(policy, at, fares=fares, currency="NGN")
    for terms in whole:
        assert terms.amount.amount_minor + terms.kept.amount_minor == sum(amounts)
        assert terms.amount.amount_minor >= 0
        assert terms.kept.amount_minor >= 0
    # Seat by seat it is the same as all at once, so nobody gains by cancelling in parts.
    parts = [terms_at(policy, at, fares=[fare], currency="NGN") for fare in fares]
    for terms in whole:
        in_parts = [
            t.amount.amount_minor for part in parts for t in part if t.method == terms.method
        ]
        assert sum(in_parts) == terms.amount.amount_minor


@given(policy=a_policy, at=a_moment, later=st.floats(0, 1, exclude_max=True))
def test_terms_stand_until_the_next_change(policy: Policy, at: Moment, later: float):
    # A bound itself belongs to the rule before it, so the terms are those just after now.
    at = Moment(at.now + timedelta(microseconds=1), at.departs_at, at.bought_at)
    end = changes_at(policy, at) or at.now + timedelta(days=30)
    then = Moment(at.now + (end - at.now) * later, at.departs_at, at.bought_at)
    fares = [Money(12345, "NGN")]
    before = terms_at(policy, at, fares=fares, currency="NGN")
    assert terms_at(policy, then, fares=fares, currency="NGN") == before


def test_the_rule_for_who_has_none_is_kind_early_and_fair_late():
    def back(*, hours_before: float, hours_since: float = 1000) -> int:
        at = moment(hours_before=hours_before, hours_since=hours_since)
        return terms_at(DEFAULT, at, fares=[Money(1000, "NGN")], currency="NGN")[
            0
        ].amount.amount_minor

    assert back(hours_before=24) == 900
    assert back(hours_before=23.9) == 500
    assert back(hours_before=2) == 500
    assert back(hours_before=1.9) == 0
    assert back(hours_before=1.9, hours_since=1) == 1000
    assert back(hours_before=-1, hours_since=1) == 0
