"""What paying needs of the settings: gateways, minutes, and addresses."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit
from uuid import UUID

from kiti.config import Settings
from kiti.payments.gateways.registry import Gateways

RETURN_PATH: Final = "/pay/return"
_NOBODYS_HOST: Final = "kiti.example"


@dataclass(frozen=True, slots=True)
class Till:
    """`payment_minutes`: a hold lasts so long at least once paying begins.

    `late_money_minutes`: how long after the end of the hold money may still confirm. `return_url`:
    where a gateway sends the passenger back. `mail_host`: of addresses for who gave none.
    """

    gateways: Gateways
    payment_minutes: int
    late_money_minutes: int
    return_url: str
    mail_host: str

    @classmethod
    def of(cls, settings: Settings, gateways: Gateways) -> Self:
        """The till of these settings; APP_URL is where passengers come back to."""
        return cls(
            gateways,
            settings.kiti_payment_minutes,
            settings.kiti_late_money_minutes,
            settings.app_url.rstrip("/") + RETURN_PATH,
            _mail_host(settings.app_url),
        )

    def address_of_nobody(self, holder_id: UUID) -> str:
        """An e-mail for the gateway, which demands one, of a holder who gave none."""
        return f"guest-{holder_id.hex}@{self.mail_host}"


def _mail_host(app_url: str) -> str:
    host = urlsplit(app_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host if "." in host else _NOBODYS_HOST
    return _NOBODYS_HOST
