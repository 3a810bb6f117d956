"""What an audit of the database found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks an invariant: which one, and where. Ids only, nothing personal."""

    invariant: str
    subject: str
