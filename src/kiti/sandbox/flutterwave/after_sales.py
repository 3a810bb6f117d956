"""Settlements and chargebacks as the merchant reads and answers them."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.core import Core
from kiti.sandbox.flutterwave import wire
from kiti.sandbox.flutterwave.account import Account, newest
from kiti.sandbox.flutterwave.api import PREFIX, guarded, page_number, path_id, period
from kiti.sandbox.flutterwave.finance import Finance
from kiti.sandbox.flutterwave.model import Chargeback, Refused
from kiti.sandbox.flutterwave.terms import optional_text, required_text
from kiti.sandbox.replies import json_reply, read_object

_PAGE_SIZE = 20


class AfterSales:
    """What the gateway owes the merchant, and what the payers' banks want back."""

    def __init__(self, core: Core, account: Account, finance: Finance) -> None:
        self._core = core
        self._account = account
        self._finance = finance

    def routes(self) -> list[Route]:
        """The routes."""
        chargebacks, settlements = f"{PREFIX}/chargebacks", f"{PREFIX}/settlements"
        return [
            self._route("GET", settlements, "settlements", self.settlements),
            self._route("GET", f"{settlements}/{{id}}", "settlements", self.read_settlement),
            self._route("GET", chargebacks, "chargebacks", self.chargebacks),
            self._route("PUT", f"{chargebacks}/{{id}}", "chargebacks", self.answer),
        ]

    def _route(
        self, method: str, path: str, call: str, handler: Callable[[Request], Awaitable[Response]]
    ) -> Route:
        return Route(path, guarded(self._core, call, handler), methods=[method])

    async def settlements(self, request: Request) -> Response:
        """All settlements, newest first. Empty until a tester settles: test money never is."""
        during = period(request)
        page = page_number(request)
        found, total = newest(
            self._finance.settlements,
            fits=lambda settlement: during(settlement.created_at),
            page=page,
            size=_PAGE_SIZE,
        )
        rows = [wire.settlement(settlement) for settlement in found]
        meta = wire.page_info(total, page, _PAGE_SIZE)
        return json_reply(wire.envelope("Settlements fetched", rows, meta=meta))

    async def read_settlement(self, request: Request) -> Response:
        """One settlement with its transactions."""
        found = self._finance.settlements.get(path_id(request))
        if found is None:
            status = self._account.options.not_found_status
            raise Refused("No settlement was found for this id", status)
        charges = [
            self._account.charges[charge_id]
            for charge_id in found.charge_ids
            if charge_id in self._account.charges
        ]
        return json_reply(
            wire.envelope("Settlement fetched", wire.settlement_detail(found, charges))
        )

    async def chargebacks(self, request: Request) -> Response:
        """All chargebacks, newest first."""
        query, during = request.query_params, period(request)

        def fits(chargeback: Chargeback) -> bool:
            return (
                during(chargeback.created_at)
                and query.get("status", chargeback.status) == chargeback.status
                and query.get("flw_ref", chargeback.flw_ref) == chargeback.flw_ref
            )

        page = page_number(request)
        found, total = newest(self._finance.chargebacks, fits=fits, page=page, size=_PAGE_SIZE)
        rows = [wire.chargeback(chargeback) for chargeback in found]
        meta = wire.page_info(total, page, _PAGE_SIZE)
        return json_reply(wire.envelope("Chargebacks fetched", rows, meta=meta))

    async def answer(self, request: Request) -> Response:
        """Accept or decline a chargeback."""
        body = await read_object(request)
        action = required_text(body, "action")
        if action not in {"accept", "decline"}:
            raise Refused("action must be accept or decline")
        chargeback = self._finance.answer(
            path_id(request),
            accept=action == "accept",
            comment=required_text(body, "comment"),
            proof=optional_text(body, "proof"),
            now=self._core.clock.now(),
        )
        return json_reply(wire.envelope(f"Chargeback {chargeback.status}", None))
