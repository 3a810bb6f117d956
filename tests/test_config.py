"""Settings: what is read, what wins, and what production refuses before it binds."""

import base64
import secrets
from pathlib import Path

import pytest

from kiti.config import ConfigurationError, load_settings

NOWHERE = Path("/nonexistent/.env")


def production(**changes: str) -> dict[str, str]:
    """An environment that production accepts; a change to "" takes a variable away."""
    values = {
        "APP_ENV": "production",
        "APP_URL": "https://kiti.example",
        "JWT_SECRET": secrets.token_hex(32),
        "JOB_SECRET_KEY": secrets.token_hex(32),
        "KITI_TICKET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "KITI_PRIVACY_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "FLUTTERWAVE_SECRET_KEY": "FLWSECK-" + secrets.token_hex(16),
        "FLUTTERWAVE_WEBHOOK_SECRET_HASH": secrets.token_hex(16),
    } | changes
    return {name: value for name, value in values.items() if value}


def test_production_starts_with_secrets_of_its_own() -> None:
    settings, warnings = load_settings(production(), NOWHERE)
    assert settings.is_production
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "fallback-secret"),
        ("JWT_SECRET", "changeme"),
        ("JWT_SECRET", "short-but-otherwise-random-4f9a"),
        ("JWT_SECRET_PREVIOUS", "fallback-secret"),
        ("JOB_SECRET_KEY", ""),
        ("JOB_SECRET_KEY", "your-job-secret-key"),
        ("KITI_TICKET_KEY", ""),
        ("KITI_TICKET_KEY", "not the base64 of 32 bytes, but long enough"),
        ("KITI_PRIVACY_KEY", ""),
        ("FLUTTERWAVE_SECRET_KEY", ""),
        ("FLUTTERWAVE_WEBHOOK_SECRET_HASH", ""),
        ("FLUTTERWAVE_WEBHOOK_SECRET_HASH", "changeme"),
        ("FLUTTERWAVE_WEBHOOK_SECRET_HASH", "development-only-hash"),
        ("FLUTTERWAVE_SECRET_KEY", "sk_test_xxxxx"),
        ("FLUTTERWAVE_BASE_URL", "http://api.flutterwave.com/v3"),
        ("STRIPE_SECRET_KEY", "sk_live_0123456789"),
        ("APP_URL", ""),
        ("APP_URL", "http://kiti.example"),
        ("KITI_RATE_LIMITS", "off"),
    ],
)
def test_production_refuses_and_names_the_variable_never_the_value(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(production(**{name: value}), NOWHERE)
    text = str(refused.value)
    named = "STRIPE_WEBHOOK_SECRET" if name == "STRIPE_SECRET_KEY" else name
    assert named in text
    assert "\n" not in text
    if len(value) > 8 and not value.startswith("your-job"):
        assert value not in text


def test_the_webhook_secret_is_not_the_api_key() -> None:
    same = "FLWSECK-" + secrets.token_hex(16)
    environment = production(FLUTTERWAVE_SECRET_KEY=same, FLUTTERWAVE_WEBHOOK_SECRET_HASH=same)
    with pytest.raises(ConfigurationError, match="FLUTTERWAVE_WEBHOOK_SECRET_HASH"):
        load_settings(environment, NOWHERE)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"APP_ENV": "production"}, NOWHERE)
    for name in ("JWT_SECRET", "JOB_SECRET_KEY", "KITI_TICKET_KEY", "KITI_PRIVACY_KEY",
                 "FLUTTERWAVE_SECRET_KEY", "APP_URL"):  # fmt: skip
        assert name in str(refused.value)


def test_a_gateway_on_loopback_needs_no_https() -> None:
    environment = production(FLUTTERWAVE_BASE_URL="http://127.0.0.1:8001/flutterwave/v3")
    settings, _ = load_settings(environment, NOWHERE)
    assert settings.flutterwave_base_url.startswith("http://127.0.0.1")


def test_the_environment_wins_over_the_file_and_empty_means_unset(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("KITI_HOLD_MINUTES=7\nKITI_PAYMENT_MINUTES=9\nJWT_SECRET=\n")
    settings, _ = load_settings({"KITI_HOLD_MINUTES": "8", "KITI_PAYMENT_MINUTES": ""}, dotenv)
    assert settings.kiti_hold_minutes == 8
    assert settings.kiti_payment_minutes == 9
    assert settings.jwt_secret == ""


def test_an_unknown_kiti_name_is_an_error_in_the_file_and_a_warning_outside(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("KITI_HOLD_MINTUES=7\nSOMETHING_ELSE=1\n")
    with pytest.raises(ConfigurationError, match="KITI_HOLD_MINTUES"):
        load_settings({}, dotenv)
    _, warnings = load_settings({"KITI_SERVICE_HOST": "10.0.0.1"}, NOWHERE)
    assert len(warnings) == 1
    assert "KITI_SERVICE_HOST" in warnings[0]
    assert "10.0.0.1" not in warnings[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "prod"),
        ("KITI_HOLD_MINUTES", "0"),
        ("KITI_HOLD_MINUTES", "soon"),
        ("KITI_HOLD_MINUTES", "31"),
        ("KITI_PAYMENT_MINUTES", "0"),
        ("KITI_HOLDS_PER_USER_MAX", "-1"),
        ("KITI_RATE_LIMITS", "maybe"),
        ("KITI_TICKET_KEY", "AAAA"),
        ("DATABASE_URL", "127.0.0.1:5432/kiti"),
        ("DATABASE_URL", "mysql://kiti@127.0.0.1/kiti"),
        ("DATABASE_URL", "postgresql://kiti@127.0.0.1:port/kiti"),
        ("DATABASE_URL", "postgresql://kiti@one:5432,other:70000/kiti"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value}, NOWHERE)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kiti@/kiti?host=%2Frun%2Fpostgresql",
        "postgres://kiti:p%40ss@[::1]:5432/kiti",
        "postgresql://kiti@one:5432,other:5433/kiti?target_session_attrs=primary",
    ],
)
def test_a_database_may_be_on_a_socket_on_ipv6_or_on_several_hosts(url: str) -> None:
    settings, _ = load_settings({"DATABASE_URL": url}, NOWHERE)
    assert settings.database_url == url
