"""What the embedded server is told: its settings, and who may connect.

Written anew at each start, so that a new release's settings reach an old cluster. What an operator
sets by ALTER SYSTEM stays and wins.
"""

import pwd
from contextlib import suppress
from pathlib import Path
from typing import Final

PORT: Final = 5432
DATABASE: Final = "kiti"
ROLE: Final = "kiti"
ADMIN: Final = "postgres"

# The application's role owns its database and is no superuser, as on any server of production.
FIRST_STATEMENTS: Final = (
    f"CREATE ROLE {ROLE} LOGIN\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"  # one statement a line
)

INITDB_OPTIONS: Final = (
    f"--username={ADMIN}",
    "--auth=peer",
    "--encoding=UTF8",
    # The same order of text on every machine, whatever its libc or ICU.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)

_SETTINGS: Final = """\
# Written by Kiti at each start. Settings of your own: ALTER SYSTEM SET ...
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700

# Seats and money: what was acknowledged is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on

# A pool of ten for each of some eight processes, and the commands beside them. More back ends than
# that only queue for the same few cores; a slot that is not used costs some kilobytes.
max_connections = 100
# Enough for the hot pages of a demo or a small operator, and small beside a laptop's memory.
shared_buffers = 128MB
# Queries here are short, and containers give /dev/shm too little for parallel ones.
max_parallel_workers_per_gather = 0

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'

# One file a weekday, overwritten a week later.
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_file_mode = 0600
log_line_prefix = '%m [%p] '
log_checkpoints = off
# Terse: the details of an error can carry a passenger's name.
log_error_verbosity = terse
"""

_ACCESS: Final = """\
# Written by Kiti at each start: the kernel says who connects, and pg_ident.conf who may.
local all         all peer map=kiti
local replication all peer map=kiti
"""


def settings(sockets: Path) -> str:
    """The text of postgresql.conf; the path holds no character that needs quoting."""
    return _SETTINGS.format(port=PORT, sockets=sockets)


def access() -> str:
    """The text of pg_hba.conf."""
    return _ACCESS


def users(uid: int) -> str:
    """The text of pg_ident.conf: root and the user of the server, as any role."""
    names: list[str] = []
    for one in (0, uid):
        with suppress(KeyError):  # the server's own id may have no name; then only root comes
            names.append(pwd.getpwuid(one).pw_name)
    return "".join(f'kiti "{name}" all\n' for name in dict.fromkeys(names))
