"""Which gateways are on here, and which of them fits a payment."""

from collections.abc import Sequence

from kiti.payments.gateways.port import Gateway
from kiti.payments.model import MethodNotAvailable, PaymentMethod


class Gateways:
    """The gateways that are configured, in the order of preference."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._by_name = {gateway.name: gateway for gateway in gateways}

    def find(self, name: str) -> Gateway | None:
        """The gateway of that name; None when it is not configured here (any more)."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """Their names, in that order."""
        return list(self._by_name)

    def currencies(self) -> frozenset[str]:
        """The currencies that some gateway here takes by some method."""
        return frozenset(
            currency
            for gateway in self._by_name.values()
            for of_method in gateway.capabilities().currencies.values()
            for currency in of_method
        )

    def choose(self, *, name: str | None, method: PaymentMethod, currency: str) -> Gateway:
        """The gateway asked for, else the first that takes this method in this currency.

        Raises:
            MethodNotAvailable: none does, or the one asked for does not; it names those that do.
        """
        takers = {
            gateway.name: gateway
            for gateway in self._by_name.values()
            if gateway.capabilities().takes(method, currency)
        }
        if takers and name is None:
            return next(iter(takers.values()))
        if name in takers:
            return takers[name]
        wanted = f"{method} in {currency}"
        if takers:
            message = f"{name} does not take {wanted} here. Ask for {' or '.join(takers)}."
            raise MethodNotAvailable(message, gateways=list(takers))
        raise MethodNotAvailable(f"No gateway here takes {wanted}.", gateways=[])
