"""How far it is from one place on Earth to another."""

from math import asin, cos, radians, sin, sqrt
from typing import Final, Protocol

# The mean radius. Source: International Union of Geodesy and Geophysics.
EARTH_RADIUS_M: Final = 6_371_008.8


class Placed(Protocol):
    """Something that may have a place on Earth: degrees, None where it is not known."""

    @property
    def latitude(self) -> float | None:
        """North of the equator, below 0 south of it."""
        ...

    @property
    def longitude(self) -> float | None:
        """East of Greenwich, below 0 west of it."""
        ...


def distance_km(board: Placed, leave: Placed) -> float | None:
    """Kilometres of the great circle between two stops; None if the place of one is not known.

    Source: the haversine formula, on a sphere of the Earth's mean radius (0.5 % off at most).
    """
    if board.latitude is None or board.longitude is None:
        return None
    if leave.latitude is None or leave.longitude is None:
        return None
    lat_1, lat_2 = radians(board.latitude), radians(leave.latitude)
    half_lat = (lat_2 - lat_1) / 2
    half_lon = radians(leave.longitude - board.longitude) / 2
    half = sin(half_lat) ** 2 + cos(lat_1) * cos(lat_2) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M / 1000 * asin(sqrt(min(1.0, half)))
