"""Secrets of our own: made once in development, and compared without telling how far they agree."""

import base64
import fcntl
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO, Final

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def development_secret(data_dir: Path, name: str) -> str:
    """The secret called `name` of this data folder: the base64 of 32 random bytes.

    Made at the first call and kept in `secrets/`, readable by its owner alone. Several processes
    may ask at once: one makes it, all get the same. For development only; production is given its
    own.
    """
    assert _NAME.fullmatch(name), "a secret is named like its variable"  # noqa: S101 (a caller's bug)
    folder = data_dir / "secrets"
    data_dir.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    with _open_private(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not path.exists():
            _write(path, base64.b64encode(secrets.token_bytes(32)).decode())
        return path.read_text(encoding="ascii")


def constant_time_equal(given: str, expected: str) -> bool:
    """Whether both are the same text; an empty `expected` (a secret not set) matches none."""
    same = hmac.compare_digest(_bytes(given), _bytes(expected))
    return same and expected != ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a crash leaves no half secret behind."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with _open_private(draft) as file:
        file.write(text.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _open_private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
