"""Static files under addresses that carry their content's hash, so that browsers keep them."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

PREFIX: Final = "/static/"
FOREVER: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: `name` is `kiti.css`, `hashed` is `kiti.0123456789ab.css`."""

    name: str
    hashed: str
    media_type: str
    content: bytes
    packed: bytes


class Assets:
    """The files of a folder, read once."""

    def __init__(self, assets: list[Asset]) -> None:
        self._by_name = {asset.name: asset for asset in assets}

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Every file of the folder whose kind browsers are given."""
        return cls([_asset(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES])

    def url(self, name: str) -> str:
        """The address of a file that must be there."""
        return PREFIX + self._by_name[name].hashed

    def find(self, file: str) -> tuple[Asset, bool] | None:
        """The file at this address, and whether the hash is right; None when there is none.

        A page of another release may ask for another hash: it gets the file as it is here, which is
        better than none, and does not keep it.
        """
        stem, _, rest = file.partition(".")
        asset = self._by_name.get(f"{stem}.{rest.rpartition('.')[2]}")
        return None if asset is None else (asset, asset.hashed == file)

    def answer(self, request: Request, file: str) -> Response | None:
        """The response for this address; None when there is no such file."""
        found = self.find(file)
        if found is None:
            return None
        asset, is_current = found
        headers = {
            "Cache-Control": FOREVER if is_current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        content = asset.content
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = asset.packed
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=asset.media_type)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(
        path.name,
        f"{path.stem}.{digest}{path.suffix}",
        _TYPES[path.suffix],
        content,
        gzip.compress(content, mtime=0),
    )
