"""The product's parts on a test's database, with settings that are whole."""

import base64

from kiti.app.parts import Parts, build
from kiti.config import Settings
from kiti.identity.parts import Identity
from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.platform.db import Database

KEY = base64.b64encode(bytes(range(32))).decode()


def make_settings(**changes: object) -> Settings:
    """Settings of a test: secrets of its own, limits on."""
    return Settings.model_validate(
        {
            "app_env": "test",
            "app_url": "http://127.0.0.1:8000",
            "jwt_secret": "a secret of this test, long enough",
            "job_secret_key": "another secret of this test, as long",
            "kiti_ticket_key": KEY,
            "kiti_privacy_key": KEY,
            **changes,
        }
    )


def make_parts(db: Database, *gateways: Gateway, settings: Settings | None = None) -> Parts:
    """Everything that a process is made of."""
    settings = settings or make_settings()
    return build(settings, db, Identity.of(db, settings), Gateways(gateways))
