"""Gateways: the port (`port.py`), one module family a gateway, and which of them are on."""
