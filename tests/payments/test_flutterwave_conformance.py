"""The conformance suite on Flutterwave."""

from kiti.payments.gateways.port import ListsRefunds, Refunds, Several
from payments.gateway_conformance import GatewayConformance


class TestFlutterwave(GatewayConformance):
    """Every rule of the port."""

    has = frozenset({ListsRefunds, Refunds, Several})
