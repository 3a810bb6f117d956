"""A supervisor for tests that kill it: `supervisor_process.py JSON`, reports on stdout.

The JSON has `children` (name, stage, argv), `patience`, and `port` when they share a socket, whose
number is then put for FD in their arguments.
"""

import asyncio
import json
import sys
from typing import Any

from kiti.platform.supervisor import Child, Patience, listening_socket, supervise


def report(line: str) -> None:
    sys.stdout.write(f"report {line}\n")
    sys.stdout.flush()


async def main(plan: dict[str, Any]) -> int:
    fds: list[int] = []
    shared = listening_socket("127.0.0.1", 0) if plan.get("port") else None
    if shared is not None:
        fds = [shared.fileno()]
        report(f"port {shared.getsockname()[1]}")
    children = [
        Child(
            one["name"],
            [sys.executable, "-I", "-S", *(arg.replace("FD", str(*fds)) for arg in one["argv"])],
            stage=one.get("stage", 0),
            pass_fds=fds,
        )
        for one in plan["children"]
    ]
    return await supervise(children, report=report, patience=Patience(**plan["patience"]))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
