"""Where bookings are looked after: what their routes and pages need."""

from dataclasses import dataclass

from kiti.identity.parts import Identity
from kiti.network.catalogue import Catalogue
from kiti.platform.db import Database
from kiti.platform.sealing import Seal


@dataclass(frozen=True, slots=True)
class Desk:
    """Bookings on one database, for callers that identity knows."""

    db: Database
    identity: Identity
    catalogue: Catalogue
    seal: Seal
