"""How the simulated Flutterwave writes things down, field by field.

Source: the samples of the gateway's documentation and of its Node SDK.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from kiti.sandbox.flutterwave.model import Charge, Chargeback, Customer, Refund, Settlement

ACCOUNT_ID: Final = 20937
_WALLET_ID: Final = 74639
_MERCHANT: Final = "Kiti Sandbox"
_CARD: Final[dict[str, object]] = {
    "first_6digits": "418742",
    "last_4digits": "4246",
    "issuer": "MOCK BANK CREDIT",
    "country": "NIGERIA NG",
    "type": "VISA",
    "expiry": "09/32",
}
_RESPONSES: Final = {
    "successful": "Approved",
    "failed": "Declined by Financial Institution",
    "pending": "Transaction in progress",
}


def instant(at: datetime) -> str:
    """As JavaScript writes it: milliseconds, UTC, Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(message: str, data: object, **more: object) -> dict[str, object]:
    """The outer `success` means only that the request was understood."""
    return {"status": "success", "message": message, **more, "data": data}


def error(message: str) -> dict[str, object]:
    """Every refusal and failure looks like this."""
    return {"status": "error", "message": message, "data": None}


def page_info(total: int, page: int, size: int) -> dict[str, object]:
    """What stands beside a list. Pages count from 1."""
    pages = max(1, -(-total // size))
    return {
        "page_info": {
            "total": total,
            "current_page": page,
            "total_pages": pages,
            "page_size": size,
        }
    }


def verified(charge: Charge) -> dict[str, object]:
    """A transaction as the verify calls show it."""
    data = _charge_core(charge)
    if charge.terms.payment_type == "card":
        token = f"flw-t1nf-{charge.flw_ref[-32:]}-k3n"
        data["card"] = {**_CARD, "token": token}
    data["meta"] = charge.terms.meta
    data["amount_settled"] = charge.settled if charge.status == "successful" else None
    data["customer"] = _customer(charge, charge.terms.customer)
    return data


def listed(charge: Charge) -> dict[str, object]:
    """A transaction as the list shows it: the customer is flat there."""
    return {
        **_charge_core(charge),
        "amount_settled": charge.settled if charge.status == "successful" else None,
        "customer_name": charge.terms.customer.name,
        "customer_email": charge.terms.customer.email,
    }


def charge_event(charge: Charge) -> dict[str, object]:
    """The webhook in its envelope: `charge.completed` for failures too."""
    data = _charge_core(charge)
    data["customer"] = _customer(charge, charge.terms.customer)
    if charge.terms.payment_type == "card":
        data["card"] = dict(_CARD)
    return {"event": "charge.completed", "event.type": _event_type(charge), "data": data}


def flat_charge_event(charge: Charge) -> dict[str, object]:
    """The webhook in the older shape: camelCase, no envelope."""
    customer = charge.terms.customer
    return {
        "id": charge.charge_id,
        "txRef": charge.terms.tx_ref,
        "flwRef": charge.flw_ref,
        "orderRef": f"URF_{charge.charge_id}",
        "paymentPlan": None,
        "paymentPage": None,
        "createdAt": instant(charge.created_at),
        "amount": charge.amount,
        "charged_amount": charge.charged,
        "status": charge.status,
        "IP": "127.0.0.1",
        "currency": charge.currency,
        "appfee": charge.fee,
        "merchantfee": 0,
        "merchantbearsfee": 0 if charge.charged > charge.amount else 1,
        "customer": {
            "id": charge.customer_id,
            "phone": customer.phone,
            "fullName": customer.name,
            "email": customer.email,
            "createdAt": instant(charge.created_at),
            "AccountId": ACCOUNT_ID,
        },
        "entity": {"card6": "418742", "card_last4": "4246", "card_country_iso": "NG"},
        "event.type": _event_type(charge),
    }


def made_refund(refund: Refund) -> dict[str, object]:
    """A refund as the call that makes it answers."""
    return {
        "id": refund.refund_id,
        "account_id": ACCOUNT_ID,
        "tx_id": refund.charge_id,
        "flw_ref": refund.flw_ref,
        "wallet_id": _WALLET_ID,
        "amount_refunded": refund.amount,
        "status": refund.status,
        "destination": "payment_source",
        "comments": refund.comments,
        "meta": {"source": "availablebalance"},
        "created_at": instant(refund.created_at),
    }


def listed_refund(refund: Refund) -> dict[str, object]:
    """A refund read back. Pages of the gateway say `comment` or `comments`, so both are here."""
    return {
        **made_refund(refund),
        "transaction_id": refund.charge_id,
        "comment": refund.comments,
        "settlement_id": refund.settlement_id or "NEW",
        "meta": json.dumps({"source": "availablebalance"}),
    }


def refund_event(refund: Refund) -> dict[str, object]:
    """The refund's webhook: flat, PascalCase, `meta` a string."""
    return {
        "id": refund.refund_id,
        "AmountRefunded": refund.amount,
        "status": refund.status,
        "FlwRef": refund.flw_ref,
        "destination": "payment_source",
        "comments": refund.comments,
        "settlement_id": "NEW",
        "meta": json.dumps({"source": "availablebalance"}),
        "createdAt": instant(refund.created_at),
        "updatedAt": instant(refund.updated_at),
        "deletedAt": None,
        "walletId": _WALLET_ID,
        "AccountId": ACCOUNT_ID,
        "TransactionId": refund.charge_id,
    }


def chargeback(found: Chargeback) -> dict[str, object]:
    """A chargeback as the list shows it."""
    return {
        "id": found.chargeback_id,
        "amount": found.amount,
        "flw_ref": found.flw_ref,
        "status": found.status,
        "stage": "new",
        "comment": found.comment,
        "meta": {"uploaded_proof": found.proof, "history": list(found.history)},
        "due_date": instant(found.due_at),
        "settlement_id": found.settlement_id or "N/A",
        "created_at": instant(found.created_at),
        "transaction_id": found.charge_id,
        "tx_ref": found.tx_ref,
    }


def settlement(found: Settlement) -> dict[str, object]:
    """A settlement as the list shows it: `meta` is an array of transaction ids."""
    at = instant(found.created_at)
    return {
        "id": found.settlement_id,
        "account_id": ACCOUNT_ID,
        "merchant_name": _MERCHANT,
        "merchant_email": "merchant@kiti.example",
        "settlement_account": "0690000031",
        "bank_code": "044",
        "transaction_date": at,
        "due_date": at,
        "processed_date": at,
        "status": "completed",
        "is_local": True,
        "currency": found.currency,
        "gross_amount": found.gross,
        "app_fee": found.fee,
        "merchant_fee": 0,
        "chargeback": found.chargeback,
        "refund": found.refund,
        "stampduty_charge": 0,
        "net_amount": found.net,
        "transaction_count": len(found.charge_ids),
        "processor_ref": None,
        "disburse_ref": f"SANDBOX{found.settlement_id}",
        "disburse_message": None,
        "channel": "web",
        "destination": "account",
        "fx_data": None,
        "flag_message": None,
        "meta": list(found.charge_ids),
        "refund_meta": list(found.refund_ids),
        "chargeback_meta": list(found.chargeback_ids),
        "source_bankcode": None,
        "created_at": at,
    }


def settlement_detail(found: Settlement, charges: Sequence[Charge]) -> dict[str, object]:
    """One settlement with its transactions; here `meta` is the array written as a string."""
    return {
        **settlement(found),
        "is_local": 1,
        "meta": json.dumps(found.charge_ids, separators=(",", ":")),
        "transactions": [
            {
                "customer_email": charge.terms.customer.email,
                "flw_ref": charge.flw_ref,
                "tx_ref": charge.terms.tx_ref,
                "id": charge.charge_id,
                "charged_amount": charge.charged,
                "app_fee": charge.charged - charge.settled,
                "merchant_fee": 0,
                "stampduty_charge": 0,
                "settlement_amount": charge.settled,
                "status": charge.status,
                "payment_entity": charge.terms.payment_type,
                "transaction_date": charge.created_at.date().isoformat(),
                "currency": charge.currency,
                "card_locale": "LOCAL",
                "rrn": "N/A",
                "subaccount_settlement": 0,
            }
            for charge in charges
        ],
    }


def fee(amount: Decimal, fee_amount: Decimal, currency: str) -> dict[str, object]:
    """What a charge of this amount would cost."""
    return {
        "charge_amount": amount,
        "fee": fee_amount,
        "merchant_fee": 0,
        "flutterwave_fee": fee_amount,
        "stamp_duty_fee": 0,
        "currency": currency,
    }


def timeline(charge: Charge) -> list[dict[str, object]]:
    """The events of a transaction, as far as a sandbox has any."""
    at = instant(charge.created_at)
    actor = charge.terms.customer.email
    common: dict[str, object] = {"actor": actor, "context": "web", "created_at": at}
    return [
        {"note": "Loaded payment page", "object": "modal", "action": "loaded", **common},
        {"note": "Pay button clicked", "object": "MODAL", "action": "click", **common},
        {"note": charge.status, "object": "transaction", "action": "completed", **common},
    ]


def _charge_core(charge: Charge) -> dict[str, object]:
    """What verify, list and webhook have in common."""
    return {
        "id": charge.charge_id,
        "tx_ref": charge.terms.tx_ref,
        "flw_ref": charge.flw_ref,
        "device_fingerprint": "N/A",
        "amount": charge.amount,
        "currency": charge.currency,
        "charged_amount": charge.charged,
        "app_fee": charge.fee,
        "merchant_fee": 0,
        "processor_response": _RESPONSES[charge.status],
        "auth_model": "NOAUTH" if charge.terms.payment_type == "card" else "AUTH",
        "ip": "127.0.0.1",
        "narration": f"{charge.terms.payment_type.upper()} Transaction ",
        "status": charge.status,
        "payment_type": charge.terms.payment_type,
        "created_at": instant(charge.created_at),
        "account_id": ACCOUNT_ID,
    }


def _customer(charge: Charge, customer: Customer) -> dict[str, object]:
    return {
        "id": charge.customer_id,
        "name": customer.name,
        "phone_number": customer.phone,
        "email": customer.email,
        "created_at": instant(charge.created_at),
    }


def _event_type(charge: Charge) -> str:
    return f"{charge.terms.payment_type.upper()}_TRANSACTION"
