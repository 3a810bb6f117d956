"""What every row is measured with: the ground, the plan, and the servers."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Run
from bench.ground import Ground
from bench.load import Load, run
from bench.plan import Plan
from bench.servers import Site, Sites


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a row needs."""

    ground: Ground
    plan: Plan
    sites: Sites

    def load(
        self,
        site: Site,
        requests: Iterator[bytes],
        *,
        status: bytes,
        connections: int | None = None,
    ) -> Run:
        """One run of these requests, all of which must have this status.

        `connections` None: as many as the plan says.

        Raises:
            Broken: one had another.
        """
        return run(
            Load(
                port=site.port,
                requests=requests,
                status=status,
                meter=lambda: {"server": site.used_s(), "database": self.ground.database_s()},
                connections=connections or self.plan.connections,
                seconds=self.plan.seconds,
                warm_s=self.plan.warm_s,
            )
        )
