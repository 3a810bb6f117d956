"""HTTP as it comes in at a socket: each part of a request within its time, its size and its number.

A subclass of uvicorn's own protocol, which waits for ever for a request that never ends. What is
refused here has no request yet, so no route and no outer layer: the problem is written to the
socket, and the rest of what the client sends is read and dropped before the connection closes, so
that the answer is not lost to a reset.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, cast

import structlog
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from kiti.platform.errors import (
    DomainError,
    HeadersTooLarge,
    MalformedRequest,
    Overloaded,
    RequestTimeout,
)
from kiti.platform.http import problem_response
from kiti.platform.ids import new_id
from kiti.platform.outer import SECURITY_HEADERS

log: Final = structlog.get_logger("kiti.http")

_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]{0,255}")
_LINGER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Of one connection, in seconds and bytes; `connections`: of one process, at once.

    `head_s`: from the first byte of a request (or the connection's begin) to the end of its
    headers; `over_s`: the same while there are too many connections. `body_s`: from there to the
    end of its body. `drain_s`: for a client to read anything of an answer that waits for it.
    """

    head_s: float = 10.0
    over_s: float = 1.0
    body_s: float = 15.0
    drain_s: float = 30.0
    head_bytes: int = 32 * 1024
    headers: int = 100
    connections: int = 4096


class Door(HttpToolsProtocol):
    """One connection. A subclass may set other `limits`."""

    limits: ClassVar[DoorLimits] = DoorLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # uvicorn's own
        super().__init__(*args, **kwargs)
        self._stage: Literal["idle", "head", "body"] = "idle"
        self._head_bytes = 0
        self._is_over = False
        self._refusal: DomainError | None = None
        self._is_refused = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_for = ""
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._is_over = len(self.connections) > self.limits.connections
        self._arm("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the connection is refused; then see what is still to come."""
        if self._is_refused:
            return
        before = self._stage
        super().data_received(data)
        if self._is_refused or self.transport.is_closing():
            self._disarm()
        elif self._stage == "head":
            if before != "body":
                self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(HeadersTooLarge())
            else:
                self._arm("head")
        elif self._stage == "body":
            self._arm("body")
        elif self._is_answering():
            self._disarm()
        else:  # line ends between requests: no request, however many come
            self._arm("head")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._stage = "head"
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Refuse what no request may be; else it begins."""
        self._disarm()
        self._refusal = self._fault()
        if self._refusal is not None:
            raise ValueError  # the parser stops, and `send_400_response` is called
        self._stage = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here as a whole."""
        self._stage = "idle"
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Where uvicorn answers a request that cannot be read, in plain text."""
        del msg
        self._refuse(self._refusal or MalformedRequest())

    def pause_writing(self) -> None:
        """The client does not read its answer: it has so long to begin."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.drain_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _fault(self) -> DomainError | None:
        """Why this head cannot begin a request."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.head_bytes or len(self.headers) > self.limits.headers:
            return HeadersTooLarge()
        hosts = [value for name, value in self.headers if name == b"host"]
        is_1_0 = self.parser is not None and self.parser.get_http_version() == "1.0"
        if len(hosts) > 1 or not (hosts or is_1_0):
            return MalformedRequest("A request names its host once.")
        if hosts and _HOST.fullmatch(hosts[0]) is None:
            return MalformedRequest("The host is not one.")
        return Overloaded(retry_after_s=1) if self._is_over else None

    def _is_answering(self) -> bool:
        """Whether a request is at work, or its answer on the way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _arm(self, stage: str) -> None:
        """Have the stage end in its time; a deadline that runs is not moved."""
        if self._alarm is not None and self._alarm_for == stage:
            return
        self._disarm()
        limits = self.limits
        head_s = limits.over_s if self._is_over else limits.head_s
        self._alarm = self.loop.call_later(limits.body_s if stage == "body" else head_s, self._late)
        self._alarm_for = stage

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        """The stage has not ended in its time."""
        self._alarm = None
        is_ours = self.flow.read_paused or self.pipeline
        if is_ours or (self._stage == "head" and self._is_answering()):
            self._arm(self._alarm_for)  # it is us who do not read yet, or still answer another
        elif self._stage == "idle":
            self.transport.close()
        else:
            self._refuse(RequestTimeout())

    def _refuse(self, error: DomainError) -> None:
        """Answer by a problem and close, unless the answer to an earlier request is on its way."""
        self._is_refused = True
        self._disarm()
        if self._is_answering():
            if self.pipeline or self._stage != "body" or self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # the route hears that the body ends, and nobody listens
            self.cycle.message_event.set()
        request_id = str(new_id())
        log.info("request", request_id=request_id, method=None, route=None, status=error.status)
        response = problem_response(error, request_id=request_id, instance="")
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (b"x-request-id", request_id.encode()),
            *SECURITY_HEADERS,
            (b"connection", b"close"),
        ]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(response.body))
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)
