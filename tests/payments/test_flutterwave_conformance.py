"""The conformance suite on Flutterwave."""

from kiti.payments.gateways.port import Disputes, ListsRefunds, Refunds, Several
from payments.gateway_conformance import GatewayConformance


class TestFlutterwave(GatewayConformance):
    """Every rule of the port."""

    has = frozenset({Disputes, ListsRefunds, Refunds, Several})
