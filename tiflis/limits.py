"""Every limit and timeout, each with its unit, default and reason; the environment may override any."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from tiflis import values
from tiflis.values import DAY

KIB, MIB = values.KIB, values.MIB
MINUTE = 60.0

Size = Annotated[int, BeforeValidator(values.size)]
Seconds = Annotated[float, BeforeValidator(values.duration)]
Count = int


def seconds(default: float, reason: str) -> Any:
    """A duration above zero in seconds; the environment may write it as ``0.5``, ``15s`` or ``5m``."""
    return Field(default, gt=0, le=366 * DAY, allow_inf_nan=False, description=reason)


def size(default: int, reason: str) -> Any:
    """An amount of bytes; the environment may write it as ``50MiB`` or ``50MB``."""
    return Field(default, ge=1, le=1 << 40, description=reason)


def count(default: int, reason: str) -> Any:
    """A number of things."""
    return Field(default, ge=1, le=1 << 31, description=reason)


class Limits(BaseSettings):
    """The numbers of the protocol page, with its section in brackets where it names one."""

    # Sockets
    message_limit: Size = size(50 * MIB, "largest message on a socket, closed with 1009 above (1)")
    roleless_message_limit: Size = size(64 * KIB, "largest message before a socket has a role (1)")
    fragment_limit: Count = count(4096, "fragments of one message, so that empty ones cost the sender first")
    role_deadline: Seconds = seconds(15, "from the upgrade to a role, closed with 1008 after (1)")
    liveness_timeout: Seconds = seconds(15, "silence after which a socket is dead: three missed pings (6)")
    liveness_interval: Seconds = seconds(5, "time between two looks for dead sockets (6)")
    probe_interval: Seconds = seconds(15, "time between protocol pings to superseded and pending sockets (2)")
    probe_timeout: Seconds = seconds(15, "a probed socket that answers nothing for so long is dropped (2)")
    superseded_limit: Count = count(4, "superseded workstation sockets kept a tunnel (2)")
    pending_limit: Count = count(64, "clients that wait for an offline workstation, a tunnel (3.1)")
    close_timeout: Seconds = seconds(5, "wait for the peer's close frame before the connection is cut")

    # Tunnels and devices
    offline_grace: Seconds = seconds(2, "a workstation that is back within it was never gone (6)")
    offline_patience: Seconds = seconds(
        5, "after a start or its loss, `connect` waits for a workstation; at most 2.5 times the grace (3.1)"
    )
    offline_grace_bytes: Size = size(16 * MIB, "messages waiting within the grace, a tunnel (6)")
    device_memory: Seconds = seconds(5 * MINUTE, "a device that is back within it is restored (3.1)")
    request_memory: Seconds = seconds(MINUTE, "how long an answer finds the device that asked (3.3)")
    requests_remembered: Count = count(256, "open requests remembered a device (3.3)")
    directory_warmup: Seconds = seconds(30, "no tunnel is surely unknown so soon after an empty start (4)")

    # Output of a socket
    backlog_limit: Size = size(64 * MIB, "unsent output of one client, closed with 1013 above (6)")
    backlog_patience: Seconds = seconds(0.5, "above it for so long, its workstation unread meanwhile (6)")
    stall_bytes: Size = size(MIB, "unsent output above which a client has to make progress (6)")
    stall_timeout: Seconds = seconds(10, "no progress above it for so long: closed with 1013 (6)")

    # Memory that peers pin
    tunnel_memory: Size = size(256 * MIB, "bytes that one tunnel's peers may pin in a worker")
    worker_memory: Size = size(
        1024 * MIB, "bytes that all peers may pin in a worker: large messages wait above"
    )

    # Wrong keys
    attempt_window: Seconds = seconds(MINUTE, "the minute of the two limits below (7)")
    attempts_an_address: Count = count(10, "wrong keys a minute of one address at one tunnel (7)")
    attempts_a_tunnel: Count = count(60, "wrong keys per minute at one tunnel, of all unknown devices (7)")
    attempts_kept_free: Count = count(6, "of these, for addresses without a wrong key in the last hour (7)")
    live_tunnels: Count = count(10_000, "tunnel ids that one registration key may have (7)")
    untouched_memory: Seconds = seconds(
        60 * MINUTE, "an offline id without a device so far is kept so long (7)"
    )
    new_tunnels: Count = count(60, "new tunnel ids per minute, registration key and address (7)")

    # Watches
    watch_queue_messages: Count = count(100, "messages queued for a watch (4)")
    watch_queue_bytes: Size = size(64 * MIB, "bytes queued for a watch (4)")
    watch_message_ttl: Seconds = seconds(5 * MINUTE, "a queued message is dropped after it (4)")
    watch_idle: Seconds = seconds(5 * MINUTE, "a watch stays connected for so long after its last call (4)")
    watch_wait_limit: Seconds = seconds(25, "longest poll; below the 30 s of common proxies (4)")
    watch_body_limit: Size = size(64 * MIB, "largest body of a watch call: 45 MiB of voice in base64 (4)")

    # HTTP
    header_timeout: Seconds = seconds(10, "a request's header in all, however slowly it comes")
    body_timeout: Seconds = seconds(60, "a request's body")
    keep_alive: Seconds = seconds(75, "idle HTTP; above the 60 s of proxies, so that they close first")

    # Log
    log_queue: Size = size(MIB, "lines a process keeps while nothing reads its log; more are lost")
    log_lines_a_minute: Count = count(60, "lines of one event a minute and process, then their number only")

    # Bus and workers
    directory_bytes: Size = size(128 * MIB, "the directory on the bus: some 500 bytes per tunnel")
    bus_store_limit: Size = size(4096 * MIB, "all that the embedded bus may keep on the disk")
    bus_start_timeout: Seconds = seconds(5, "a start waits so long for its bus, then HTTP is answered 503")
    ready_timeout: Seconds = seconds(25, "a successor not ready by then is ended, the old one stays")
    handoff_timeout: Seconds = seconds(10, "a successor that does not take a socket gives it back")
    drain_window: Seconds = seconds(20, "closes of sockets not handed over are spread over it")
    shutdown_timeout: Seconds = seconds(8, "orderly end of a worker; the main process waits 10 s")
