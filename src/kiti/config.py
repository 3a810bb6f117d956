"""Settings: one frozen object, read from the environment and `.env` once, and passed in."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SECRET_LENGTH_MIN: Final = 32
LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}

# What `.env.example` and published guides show: fine in development, never in production.
KNOWN_DEFAULTS: Final = frozenset({"fallback-secret", "secret", "password", "test", "example"})
KNOWN_PARTS: Final = ("changeme", "change-me", "development-only", "your-", "sk_test_xxxxx")


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names each variable at fault, never a value."""


class Settings(BaseModel):
    """Every setting of CONTRACT section 3, under its lower-case name."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    app_env: Literal["development", "test", "production"] = "development"
    app_url: str = ""
    database_url: str = ""
    kiti_data_dir: Path = Path(".kiti")
    jwt_secret: str = ""
    jwt_secret_previous: str = ""
    job_secret_key: str = ""
    job_secret_key_previous: str = ""
    flutterwave_public_key: str = ""
    flutterwave_secret_key: str = ""
    flutterwave_webhook_secret_hash: str = ""
    flutterwave_webhook_secret_hash_previous: str = ""
    flutterwave_base_url: str = "https://api.flutterwave.com/v3"
    stripe_secret_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_webhook_secret_previous: str = ""
    stripe_base_url: str = "https://api.stripe.com"
    kiti_ticket_key: str = ""
    kiti_privacy_key: str = ""
    trusted_proxies: str = ""
    trusted_identity_proxies: str = ""
    smtp_url: str = ""
    sms_provider: str = ""
    sentry_dsn: str = ""
    kiti_hold_minutes: int = Field(default=15, ge=1, le=24 * 60)
    kiti_hold_minutes_max: int = Field(default=30, ge=1, le=24 * 60)
    kiti_payment_minutes: int = Field(default=15, ge=1, le=24 * 60)
    kiti_late_money_minutes: int = Field(default=60, ge=0, le=7 * 24 * 60)
    kiti_holds_per_user_max: int = Field(default=10, ge=1, le=1000)
    kiti_rate_limits: Literal["on", "off"] = "on"

    @property
    def is_production(self) -> bool:
        """Whether real people and real money are meant."""
        return self.app_env == "production"


_OURS: Final = ("jwt_secret", "job_secret_key", "kiti_ticket_key", "kiti_privacy_key")
_KEYS_OF_32_BYTES: Final = ("kiti_ticket_key", "kiti_privacy_key")


def load_settings(
    environment: Mapping[str, str] | None = None, dotenv: Path | None = None
) -> tuple[Settings, list[str]]:
    """The settings, and warnings to log. The environment wins over `.env`; empty means unset.

    Raises:
        ConfigurationError: a value cannot be used, `.env` has an unknown `KITI_` name, or in
            production a secret is missing, short or a known default.
    """
    environment = os.environ if environment is None else environment
    dotenv = Path(".env") if dotenv is None else dotenv
    written = dotenv_values(dotenv) if dotenv.is_file() else {}
    unknown = sorted(n for n in written if n.startswith("KITI_") and not _is_known(n))
    if unknown:
        raise ConfigurationError(f"unknown setting in .env: {', '.join(unknown)}")
    warnings = [
        f"unknown setting in the environment, ignored: {name}"
        for name in sorted(environment)
        if name.startswith("KITI_") and not _is_known(name)
    ]
    values = {name.lower(): value for name, value in written.items() if value}
    values |= {n.lower(): v for n, v in environment.items() if v and _is_known(n)}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        names = sorted({str(item["loc"][0]).upper() for item in error.errors()})
        raise ConfigurationError(f"cannot use the value of {', '.join(names)}") from None
    _check(settings)
    return settings, warnings


def _is_known(name: str) -> bool:
    return name.lower() in Settings.model_fields


def _check(settings: Settings) -> None:
    """Name every variable at fault, and no value, in one line."""
    faults: list[str] = []
    for name in _KEYS_OF_32_BYTES:
        value = str(getattr(settings, name))
        if value and not _is_key_of_32_bytes(value):
            faults.append(f"{name.upper()} is not the base64 of 32 bytes")
    if settings.database_url and not _is_database_url(settings.database_url):
        faults.append("DATABASE_URL is no address such as postgresql://user@host:5432/name")
    if settings.kiti_hold_minutes > settings.kiti_hold_minutes_max:
        faults.append("KITI_HOLD_MINUTES is over KITI_HOLD_MINUTES_MAX")
    if settings.is_production:
        faults += _production_faults(settings)
    if faults:
        raise ConfigurationError("; ".join(faults))


def _production_faults(settings: Settings) -> list[str]:
    faults = [
        f"{name.upper()} is missing, a known default or shorter than {SECRET_LENGTH_MIN} characters"
        for name in _OURS
        if not _is_own_secret(str(getattr(settings, name)))
    ]
    faults += [
        f"{name.upper()} is a known default or shorter than {SECRET_LENGTH_MIN} characters"
        for name in ("jwt_secret_previous", "job_secret_key_previous")
        if getattr(settings, name) and not _is_own_secret(str(getattr(settings, name)))
    ]
    gateways = [
        ("flutterwave_secret_key", "flutterwave_webhook_secret_hash", "flutterwave_base_url"),
        ("stripe_secret_key", "stripe_webhook_secret", "stripe_base_url"),
    ]
    is_any_on = False
    for secret, webhook, base_url in gateways:
        if not getattr(settings, secret):
            continue
        is_any_on = True
        for name in (secret, webhook):
            if not getattr(settings, name) or _is_known_default(str(getattr(settings, name))):
                faults.append(f"{name.upper()} is missing or a known default")
        if getattr(settings, webhook) == getattr(settings, secret):
            faults.append(f"{webhook.upper()} is the API key, not the webhook's own secret")
        if not _is_safe_url(str(getattr(settings, base_url))):
            faults.append(f"{base_url.upper()} is without https")
    if not is_any_on:
        faults.append("FLUTTERWAVE_SECRET_KEY and STRIPE_SECRET_KEY are both missing")
    if not settings.app_url or not _is_safe_url(settings.app_url):
        faults.append("APP_URL is missing or without https")
    if settings.kiti_rate_limits == "off":
        faults.append("KITI_RATE_LIMITS is off")
    return faults


def _is_own_secret(value: str) -> bool:
    return len(value) >= SECRET_LENGTH_MIN and not _is_known_default(value)


def _is_known_default(value: str) -> bool:
    low = value.lower()
    return low in KNOWN_DEFAULTS or any(part in low for part in KNOWN_PARTS)


def _is_key_of_32_bytes(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == SECRET_LENGTH_MIN
    except (binascii.Error, ValueError):
        return False


def _is_safe_url(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _is_database_url(value: str) -> bool:
    """Whether the driver can read it; it may name several hosts, for a failover."""
    scheme, separator, rest = value.partition("://")
    hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return (
        scheme in {"postgresql", "postgres"}
        and bool(separator)
        and all(not port or (port.isdecimal() and int(port) <= 65535) for port in ports)
    )
