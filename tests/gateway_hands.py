"""What payers, their banks and the gateways' own people do, at either simulated gateway."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2

from kiti.platform.clock import utc_now
from payments_site import STRIPE_SECRET, Passenger, Site


def signed_by_stripe(raw: bytes, *, at: int | None = None, secret: str = STRIPE_SECRET) -> str:
    """Stripe's signature of these bytes, as of now unless another second is given."""
    second = int(utc_now().timestamp()) if at is None else at
    digest = hmac.new(secret.encode(), f"{second}.".encode() + raw, hashlib.sha256)
    return f"t={second},v1={digest.hexdigest()}"


def minor_of(gateway: str, amount: object) -> int:
    """An amount that the gateway shows, in kobo."""
    number = Decimal(str(amount))
    return int(number if gateway == "stripe" else number * 100)


def paid_minor(gateway: str, charge: Mapping[str, Any]) -> int:
    """What a try to pay brought, in kobo; nothing when it did not go well."""
    is_paid = charge["status"] in {"successful", "succeeded"}
    return minor_of(gateway, charge["amount"]) if is_paid else 0


def refunded_minor(gateway: str, refund: Mapping[str, Any]) -> int:
    """What went back by a refund, in kobo; nothing while or when it did not."""
    if refund["status"] not in {"completed", "succeeded"}:
        return 0
    return minor_of(gateway, refund["amount" if gateway == "stripe" else "amount_refunded"])


@dataclass(frozen=True, slots=True)
class Hands:
    """Deeds at one gateway that the seller does not do."""

    site: Site
    gateway: str

    async def open(self, ada: Passenger) -> dict[str, Any]:
        """An attempt at this gateway."""
        return await ada.open(gateway=self.gateway)

    async def fault(self, call: str, fault: str, **more: object) -> None:
        """The next call of this kind goes wrong."""
        await self.site.sandbox.fault(call, fault, gateway=self.gateway, **more)

    async def known(self, payment: dict[str, Any]) -> dict[str, Any]:
        """What the gateway knows under this payment's reference."""
        answer = await self.site.sandbox.control(
            "GET",
            "/payments",
            params={"reference": payment["transactionId"], "gateway": self.gateway},
        )
        return answer.json()["items"][0]

    async def charges(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        """Every try to pay it, with what went back."""
        return (await self.known(payment))["charges"]

    async def paid(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        """The tries that brought money."""
        return [each for each in await self.charges(payment) if paid_minor(self.gateway, each)]

    async def refunds(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        """All refunds that the gateway has of it."""
        return [refund for charge in await self.charges(payment) for refund in charge["refunds"]]

    def minor(self, amount: object) -> int:
        """An amount that the gateway shows, in kobo."""
        return minor_of(self.gateway, amount)

    def refunded(self, refund: dict[str, Any]) -> int:
        """What went back by a refund, in kobo; nothing while or when it did not."""
        return refunded_minor(self.gateway, refund)

    async def pay_again(self, payment: dict[str, Any]) -> None:
        """Money under the same reference that no page of ours took."""
        if self.gateway == "stripe":
            path, body = "/stripe/payments", {"reference": payment["transactionId"]}
        else:
            path, body = "/flutterwave/charges", {"tx_ref": payment["transactionId"]}
        await self._steer(path, body)

    async def refund_by_hand(self, charge: dict[str, Any]) -> bool:
        """All of a charge goes back at the gateway's own pages; False when nothing is left."""
        if self.gateway == "stripe":
            answer = await self.site.sandbox.control(
                "POST", "/stripe/refunds", json={"payment_intent": charge["id"]}
            )
            return answer.status_code == 201
        answer = await self.site.sandbox.call(
            "POST",
            f"/transactions/{charge['id']}/refund",
            json={"amount": charge["amount"], "comments": "goodwill"},
        )
        return answer.status_code == 200

    async def dispute(self, charge: dict[str, Any], **more: object) -> str | None:
        """The payer's bank takes the money back; the dispute's id, None when it cannot."""
        if self.gateway == "stripe":
            path, body = "/stripe/disputes", {"payment_intent": charge["id"], **more}
        else:
            path, body = "/flutterwave/chargebacks", {"transaction_id": charge["id"], **more}
        answer = await self.site.sandbox.control("POST", path, json=body)
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    async def decide(self, dispute_id: str, *, is_won: bool) -> None:
        """The bank decides."""
        disputes = "disputes" if self.gateway == "stripe" else "chargebacks"
        path = f"/{self.gateway}/{disputes}/{dispute_id}"
        await self._steer(path, {"status": "won" if is_won else "lost"}, expected=200)

    async def deliver(self, payment: dict[str, Any], charge: dict[str, Any]) -> None:
        """The gateway's webhook that this charge went well, under an id of its own."""
        if self.gateway == "stripe":
            answer = await self.deliver_event(
                "payment_intent.succeeded",
                {
                    "object": "payment_intent",
                    "id": charge["id"],
                    "metadata": {"reference": payment["transactionId"]},
                },
            )
        else:
            data = {"id": charge["id"], "tx_ref": payment["transactionId"], "status": "successful"}
            answer = await self.site.post_webhook({"event": "charge.completed", "data": data})
        assert answer.status_code == 200, answer.text

    async def deliver_event(
        self, kind: str, data: dict[str, Any], *, event_id: str | None = None
    ) -> httpx2.Response:
        """An event of Stripe about this object, signed as Stripe signs."""
        event = {
            "id": event_id or f"evt_{uuid4().hex}",
            "object": "event",
            "type": kind,
            "livemode": False,
            "data": {"object": data},
        }
        raw = json.dumps(event).encode()
        return await self.post_to_stripe(raw, signed_by_stripe(raw))

    async def post_to_stripe(self, raw: bytes, signature: str) -> httpx2.Response:
        """These bytes at our webhook for Stripe, under this signature."""
        return await self.site.client.post(
            "/api/payments/webhook/stripe",
            content=raw,
            headers={"content-type": "application/json", "stripe-signature": signature},
        )

    async def _steer(self, path: str, body: dict[str, Any], *, expected: int = 201) -> None:
        answer = await self.site.sandbox.control("POST", path, json=body)
        assert answer.status_code == expected, answer.text


async def silence_webhooks(site: Site) -> None:
    """No webhook of either gateway comes by itself from now on."""
    for gateway in ("flutterwave", "stripe"):
        await site.sandbox.fault("webhook", "drop", gateway=gateway, times=1000)
