"""Ties a command to the life of its parent: `tether.py PARENT_PID COMMAND…`. A script of its own.

The kernel is asked to kill this process when its parent ends, however that ends; then the command
takes its place, under the same pid. Started by `supervisor`, as a file, so that it costs no import
of the package and nothing runs between fork and exec in a process that may have threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; the setting outlives exec, but not that of a setuid program


def main(arguments: list[str]) -> str:
    """Become the command; what is said when it cannot be started."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            return f"prctl: {os.strerror(ctypes.get_errno())}"
    if os.getppid() != parent:
        return "the parent has ended already"
    try:
        os.execv(command[0], command)  # noqa: S606  # this is what the script is for
    except OSError as error:
        return f"{command[0]}: {error.strerror}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
