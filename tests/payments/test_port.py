"""What several refunds under one id of ours are together."""

import itertools

import pytest

from kiti.payments.gateways.port import RefundSnapshot, sum_refunds
from kiti.platform.money import Money


def a_refund(status: str, minor: int | None = 100, currency: str = "NGN") -> RefundSnapshot:
    given = None if minor is None else Money(minor, currency)
    return RefundSnapshot(status, "7", given=given)  # pyright: ignore[reportArgumentType]


DONE, UNDER_WAY = a_refund("SUCCEEDED", 60), a_refund("PENDING", 40)
FAILED, UNREAD = a_refund("FAILED", None), a_refund("UNKNOWN", None)
SILENT, IN_KES = a_refund("SUCCEEDED", None), a_refund("SUCCEEDED", 60, "KES")


@pytest.mark.parametrize(
    ("found", "status", "given"),
    [
        ((), "NOT_FOUND", None),
        ((DONE,), "SUCCEEDED", 60),
        ((DONE, DONE), "SUCCEEDED", 120),
        ((DONE, UNDER_WAY), "PENDING", 100),
        ((DONE, FAILED), "SUCCEEDED", 60),
        ((UNDER_WAY, FAILED, FAILED), "PENDING", 40),
        ((FAILED,), "FAILED", None),
        ((DONE, UNREAD), "UNKNOWN", None),
        ((UNREAD, FAILED), "UNKNOWN", None),
        ((DONE, SILENT), "SUCCEEDED", None),
        ((DONE, IN_KES), "UNKNOWN", None),
    ],
)
def test_several_refunds_are_one(
    found: tuple[RefundSnapshot, ...], status: str, given: int | None
) -> None:
    for order in itertools.permutations(found):
        together = sum_refunds(order)
        assert together.status == status
        assert together.given == (None if given is None else Money(given, "NGN"))
