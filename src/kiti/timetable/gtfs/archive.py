"""A feed's zip, opened without trust: every size has a limit, and nothing is unpacked to disk."""

import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from kiti.timetable.gtfs.rows import Columns, read_rows
from kiti.timetable.model import NotAFeed

# A file this small may be squeezed by any ratio: a few equal rows are no bomb.
RATIO_FREE_BYTES: Final = 16 * 1024 * 1024
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True)
class Limits:
    """What a feed may take. `ratio_max` is unpacked to packed bytes; `rows_max` counts one file."""

    zip_bytes_max: int = 512 * 1024 * 1024
    member_bytes_max: int = 2 * 1024 * 1024 * 1024
    ratio_max: int = 250
    members_max: int = 1_000
    rows_max: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Archive:
    """An open feed: its text files by name, wherever in the zip they lie together."""

    zip: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    limits: Limits

    def has(self, name: str) -> bool:
        """Whether the feed has this file."""
        return name in self.members

    def rows(self, name: str, columns: Columns) -> Iterator[tuple[int, tuple[str, ...]]]:
        """As `read_rows`; nothing when the file is absent.

        Raises:
            NotAFeed: the file is over a limit, broken, or not such a table.
        """
        member = self.members.get(name)
        if member is None:
            return
        self._check(name, member)
        try:
            with self.zip.open(member) as raw:
                yield from read_rows(
                    raw, columns, name=name, rows_max=self.limits.rows_max, refuse=NotAFeed
                )
        except (*_BROKEN, RuntimeError) as error:
            raise NotAFeed(f"{name} cannot be unpacked: {error}") from error

    def _check(self, name: str, member: zipfile.ZipInfo) -> None:
        """Judge by the sizes the zip declares: reading never goes past them."""
        if member.flag_bits & _ENCRYPTED:
            raise NotAFeed(f"{name} is encrypted")
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
        if path.stat().st_size > limits.zip_bytes_max:
            raise NotAFeed(f"{path.name} is larger than {limits.zip_bytes_max:,} bytes")
        opened = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise NotAFeed(f"there is no file {path}") from None
    except _BROKEN as error:
        raise NotAFeed(f"{path.name} is not a zip that can be read: {error}") from error
    with opened:
        yield Archive(opened, _members(opened, path.name, limits), limits)


def _members(opened: zipfile.ZipFile, name: str, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """The files beside the shallowest stop_times.txt: some feeds lie in a folder of their zip."""
    infos = opened.infolist()
    if len(infos) > limits.members_max:
        raise NotAFeed(f"{name} holds more than {limits.members_max:,} files")
    paths = [PurePosixPath(info.filename) for info in infos]
    homes = [path.parent for path in paths if path.name == "stop_times.txt"]
    if not homes:
        raise NotAFeed(f"{name} has no stop_times.txt")
    home = min(homes, key=lambda folder: (len(folder.parts), str(folder)))
    return {
        path.name: info
        for path, info in zip(paths, infos, strict=True)
        if path.parent == home and not info.is_dir()
    }
