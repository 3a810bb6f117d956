"""The one error of the embedded PostgreSQL."""


class EmbeddedPostgresError(Exception):
    """PostgreSQL cannot be had; the message is one line and says what to do."""
