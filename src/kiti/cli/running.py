"""The commands that run Kiti; thin."""

from cyclopts import App

from kiti import sandbox as simulated
from kiti.app import serving
from kiti.cli.options import Flag, Port, settings

demo = App(name="demo")


def serve(
    *,
    host: str = "127.0.0.1",
    port: Port = 8000,
    workers: int = 1,
    with_worker: Flag = False,
) -> int:
    """Serve HTTP; with --with-worker also run the jobs. A child that dies is started again."""
    return serving.serve(settings(), host=host, port=port, workers=workers, has_worker=with_worker)


def worker() -> int:
    """Run the jobs and the schedules."""
    return serving.work(settings())


@demo.default
def run_demo(*, host: str = "127.0.0.1", port: Port = 8000) -> int:
    """Serve everything on one machine: database, demo network, simulated gateways, pages."""
    return serving.demo(settings(), host=host, port=port)


@demo.command
def load() -> int:
    """Load the demo network and accounts, or refresh them."""
    return serving.load_demo_only(settings())


def job(name: str) -> int:
    """Run one background job now."""
    return serving.run_job(settings(), name)


def sandbox(*, host: str = "127.0.0.1", port: Port = 8001) -> int:
    """The simulated gateways on their own."""
    simulated.run(host, port, simulated.load_sandbox_settings())
    return 0
