"""The conformance suite on Flutterwave."""

from payments.gateway_conformance import GatewayConformance


class TestFlutterwave(GatewayConformance):
    """Every rule of the port."""
