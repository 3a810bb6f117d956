"""What the sandbox must know: the keys it plays the owner of, and where webhooks go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """The merchant's account as the simulated gateways see it.

    A gateway without its secret key refuses every call. `public_url` is how browsers reach the
    sandbox; empty means as the caller did (the request's Host).
    """

    app_url: str = "http://127.0.0.1:8000"
    public_url: str = ""
    flutterwave_secret_key: str = field(default="", repr=False)
    flutterwave_webhook_secret_hash: str = field(default="", repr=False)
    stripe_secret_key: str = field(default="", repr=False)
    stripe_webhook_secret: str = field(default="", repr=False)


def load_sandbox_settings(
    environment: Mapping[str, str] | None = None, dotenv: Path | None = None
) -> SandboxSettings:
    """The settings under the product's own names. The environment wins; empty means unset."""
    environment = os.environ if environment is None else environment
    dotenv = Path(".env") if dotenv is None else dotenv
    values = dict(dotenv_values(dotenv)) if dotenv.is_file() else {}
    values |= {name: value for name, value in environment.items() if value}
    default = SandboxSettings()
    return SandboxSettings(
        app_url=(values.get("APP_URL") or default.app_url).rstrip("/"),
        flutterwave_secret_key=values.get("FLUTTERWAVE_SECRET_KEY") or "",
        flutterwave_webhook_secret_hash=values.get("FLUTTERWAVE_WEBHOOK_SECRET_HASH") or "",
        stripe_secret_key=values.get("STRIPE_SECRET_KEY") or "",
        stripe_webhook_secret=values.get("STRIPE_WEBHOOK_SECRET") or "",
    )
