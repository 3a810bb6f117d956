"""Settings made whole: in development what is missing is made once and kept in the data folder."""

from kiti.config import Settings
from kiti.platform.secrets import development_secret

_MADE_IN_DEVELOPMENT = ("jwt_secret", "job_secret_key", "kiti_ticket_key", "kiti_privacy_key")
_OF_THE_SANDBOX = (
    "flutterwave_secret_key",
    "flutterwave_webhook_secret_hash",
    "stripe_secret_key",
    "stripe_webhook_secret",
)


def completed(settings: Settings, *, app_url: str) -> Settings:
    """The settings with secrets of this data folder for those that are missing, and an APP_URL.

    In production nothing is made up: `load_settings` has refused what is missing.
    """
    if settings.is_production:
        return settings
    made: dict[str, object] = {
        name: development_secret(settings.kiti_data_dir, name.upper())
        for name in _MADE_IN_DEVELOPMENT
        if not getattr(settings, name)
    }
    if not settings.app_url:
        made["app_url"] = app_url
    return settings.model_copy(update=made)


def with_sandbox(settings: Settings, *, sandbox_url: str) -> Settings:
    """The settings with the simulated gateways instead of the real ones, keys of their own."""
    made: dict[str, object] = {
        name: development_secret(settings.kiti_data_dir, name.upper())
        for name in _OF_THE_SANDBOX
        if not getattr(settings, name)
    }
    made["flutterwave_base_url"] = f"{sandbox_url}/flutterwave/v3"
    made["stripe_base_url"] = f"{sandbox_url}/stripe"
    return settings.model_copy(update=made)


def to_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables for a child process, which then reads no other."""
    return {name.upper(): str(value) for name, value in settings.model_dump().items() if value}
