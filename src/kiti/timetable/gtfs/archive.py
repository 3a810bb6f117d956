"""A feed's zip, opened without trust: every size has a limit, and nothing is unpacked to disk."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from kiti.timetable.gtfs.rows import Columns, Remark, read_rows, read_titles
from kiti.timetable.model import NotAFeed

# A file this small may be squeezed by any ratio: a few equal rows are no bomb.
RATIO_FREE_BYTES: Final = 16 * 1024 * 1024
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, ValueError,
)  # fmt: skip
# Room for the names of some ten thousand files; a feed has thirty.
_PIECE_BYTES_MAX: Final = 2 * 1024 * 1024
_ENCRYPTED: Final = 0x1
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# Files that may have a row for each stop of each trip, or for each day of each service.
_LONG_FILES: Final = {"stop_times.txt", "calendar_dates.txt"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a feed may take.

    `ratio_max` is unpacked to packed bytes; `rows_max` counts one file, `things_max` one of those
    whose rows are kept one by one (stops, trips, fares: some hundred bytes of memory each).
    """

    zip_bytes_max: int = 512 * 1024 * 1024
    member_bytes_max: int = 2 * 1024 * 1024 * 1024
    ratio_max: int = 250
    members_max: int = 1_000
    rows_max: int = 20_000_000
    things_max: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Archive:
    """An open feed: its text files by name, wherever in the zip they lie together."""

    zip: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    limits: Limits

    def has(self, name: str) -> bool:
        """Whether the feed has this file."""
        return name in self.members

    def rows(
        self, name: str, columns: Columns, remark: Remark
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """As `read_rows`; nothing when the file is absent.

        Raises:
            NotAFeed: the file is over a limit, broken, or not such a table.
        """
        if name not in self.members:
            return
        limits = self.limits
        rows_max = limits.rows_max if name in _LONG_FILES else limits.things_max
        with self._open(name) as raw:
            yield from read_rows(
                raw,
                columns,
                name=name,
                rows_max=min(rows_max, limits.rows_max),
                refuse=NotAFeed,
                remark=remark,
            )

    def titles(self, name: str) -> frozenset[str]:
        """As `read_titles`; none when the file is absent.

        Raises:
            NotAFeed: the file is over a limit, broken, or not such a table.
        """
        if name not in self.members:
            return frozenset()
        with self._open(name) as raw:
            return read_titles(raw, name=name, refuse=NotAFeed)

    @contextmanager
    def _open(self, name: str) -> Generator[IO[bytes]]:
        member = self.members[name]
        self._check(name, member)
        try:
            with self.zip.open(member) as raw:
                yield raw
        except (*_BROKEN, RuntimeError) as error:
            raise NotAFeed(f"{name} cannot be unpacked: {error}") from error

    def _check(self, name: str, member: zipfile.ZipInfo) -> None:
        """Judge by the sizes the zip declares: reading never goes past them."""
        if member.flag_bits & _ENCRYPTED:
            raise NotAFeed(f"{name} is encrypted")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise NotAFeed(f"{name} is a link, not a file")
        # Other methods may claim memory by the gigabyte before the first byte comes out.
        if member.compress_type not in _METHODS:
            raise NotAFeed(f"{name} is packed by another method than deflate")
        size = member.file_size
        if size > self.limits.member_bytes_max:
            raise NotAFeed(f"{name} unpacks to {size:,} bytes: too large")
        if size > RATIO_FREE_BYTES and size > member.compress_size * self.limits.ratio_max:
            raise NotAFeed(f"{name} is packed too tightly to be a timetable")


@contextmanager
def open_archive(path: Path, limits: Limits) -> Generator[Archive]:
    """The feed at `path`, for the length of the block.

    Raises:
        NotAFeed: there is no such file, it is no zip, or it is over a limit.
    """
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise NotAFeed(f"{path.name} is a folder, not a zip: zip its files and import that")
        if not stat.S_ISREG(about.st_mode):
            raise NotAFeed(f"{path.name} is not a file")
        if about.st_size > limits.zip_bytes_max:
            raise NotAFeed(f"{path.name} is larger than {limits.zip_bytes_max:,} bytes")
        raw = _Guarded(path.open("rb", buffering=0))
    except FileNotFoundError:
        raise NotAFeed(f"there is no file {path}") from None
    except OSError as error:
        raise NotAFeed(f"{path.name} cannot be read: {error.strerror}") from error
    with raw:
        try:
            opened = zipfile.ZipFile(raw)
        # The last one is what zipfile raises for a version of the format that it does not know.
        except (*_BROKEN, NotImplementedError) as error:
            raise NotAFeed(f"{path.name} is not a zip that can be read: {error}") from error
        with opened:
            yield Archive(opened, _members(opened, path.name, limits), limits)


class _Guarded(io.BufferedReader):
    """A file whose pieces are small: the directory of a zip is read in one, and may claim all."""

    def read(self, size: int | None = -1, /) -> bytes:
        asked = _PIECE_BYTES_MAX + 1
        piece = super().read(asked if size is None or size < 0 else min(size, asked))
        if len(piece) > _PIECE_BYTES_MAX:
            raise zipfile.BadZipFile("its directory is too large")
        return piece


def _members(opened: zipfile.ZipFile, name: str, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """The files beside the shallowest stop_times.txt: some feeds lie in a folder of their zip.

    Names are taken in small letters, and with the slashes of any system.
    """
    infos = [info for info in opened.infolist() if not info.filename.endswith(("/", "\\"))]
    if len(infos) > limits.members_max:
        raise NotAFeed(f"{name} holds more than {limits.members_max:,} files")
    paths = [PurePosixPath(info.filename.replace("\\", "/").lower()) for info in infos]
    homes = {path.parent for path in paths if path.name == "stop_times.txt"}
    if not homes:
        inner = next((path.name for path in paths if path.suffix == ".zip"), None)
        hint = f"; unpack it: the feed may be in {inner}" if inner else ""
        raise NotAFeed(f"{name} has no stop_times.txt{hint}")
    depth = min(len(home.parts) for home in homes)
    shallowest = sorted(str(home) for home in homes if len(home.parts) == depth)
    if len(shallowest) > 1:
        raise NotAFeed(f"{name} holds several feeds: {', '.join(shallowest[:5])}")
    found: dict[str, zipfile.ZipInfo] = {}
    for path, info in zip(paths, infos, strict=True):
        if str(path.parent) == shallowest[0]:
            if path.name in found:
                raise NotAFeed(f"{name} holds {path.name} twice")
            found[path.name] = info
    return found
