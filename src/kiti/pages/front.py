"""What the passengers' pages need of the rest; whoever builds the application puts it together."""

from dataclasses import dataclass

from kiti.booking.sales import Sales
from kiti.booking.ticket_view import TicketDesk
from kiti.checkout.search import Sources
from kiti.checkout.till import Till
from kiti.identity.parts import Identity
from kiti.network.catalogue import Catalogue
from kiti.network.popular import PopularRoutes
from kiti.pages.shell import Shell
from kiti.pages.visits import Visits
from kiti.platform.db import Database
from kiti.platform.sealing import Seal


@dataclass(frozen=True, slots=True)
class Front:
    """`hold_minutes_max`: how long a hold may last in all, as KITI_HOLD_MINUTES_MAX."""

    db: Database
    identity: Identity
    sources: Sources
    sales: Sales
    tickets: TicketDesk
    seal: Seal
    till: Till
    hold_minutes_max: int
    popular: PopularRoutes
    visits: Visits
    shell: Shell

    @property
    def catalogue(self) -> Catalogue:
        """The trips."""
        return self.sources.catalogue
