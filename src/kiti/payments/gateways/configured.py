"""The gateways that the settings turn on: those whose secret key is set."""

import httpx2

from kiti.config import Settings
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys
from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways


def configured_gateways(settings: Settings, client: httpx2.AsyncClient) -> Gateways:
    """Every gateway that is on, all by one HTTP client, which the caller closes."""
    found: list[Gateway] = []
    if settings.flutterwave_secret_key:
        keys = FlutterwaveKeys(
            secret_key=settings.flutterwave_secret_key,
            webhook_secret=settings.flutterwave_webhook_secret_hash,
            webhook_secret_previous=settings.flutterwave_webhook_secret_hash_previous,
        )
        found.append(Flutterwave(client, base_url=settings.flutterwave_base_url, keys=keys))
    return Gateways(found)
