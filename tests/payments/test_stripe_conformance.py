"""The conformance suite on Stripe."""

import pytest

from kiti.payments.gateways.port import (
    Disputes,
    Expires,
    ListsRefunds,
    Refunds,
    Settlements,
    Several,
)
from payments.gateway_conformance import GatewayConformance
from payments.stripe_bench import StripeBench


class TestStripe(GatewayConformance):
    """Every rule of the port."""

    has = frozenset({Expires, ListsRefunds, Refunds, Several, Disputes, Settlements})
    declined = "PENDING"

    @pytest.fixture
    async def bench(self, stripe_bench: StripeBench) -> StripeBench:
        # One event a payment, so that a test knows which one comes next.
        await stripe_bench.options(enabled_events=["checkout.session.completed"])
        return stripe_bench
