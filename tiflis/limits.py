"""Every limit and timeout, each with its unit, default and reason; the environment may override any."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tiflis import values
from tiflis.values import DAY

KIB, MIB = values.KIB, values.MIB
MINUTE = 60.0
LINE = 4 * KIB  # the longest line of the log
CENTURY = 36_525  # days; NATS counts an age in nanoseconds, of which 64 bits hold 292 years
ROUND_TRIP = 0.5  # seconds: the least that a peer on a mobile line needs to send anything
BUSY = 0.05  # seconds: what is repeated more often keeps a processor busy
ATTEMPTS = 10_000  # the file in which a host counts wrong keys grows by 330 KiB with each

Size = Annotated[int, BeforeValidator(values.size)]
Seconds = Annotated[float, BeforeValidator(values.duration)]
Count = int


def seconds(default: float, reason: str, least: float = 0.0) -> Any:
    """Return the field of a duration above zero in seconds; the environment may write it as ``0.5``, ``15s``
    or ``5m``. ``least``: with less than this the server could not work."""
    bound: dict[str, Any] = {"ge": least} if least else {"gt": 0}
    return Field(default, **bound, le=366 * DAY, allow_inf_nan=False, description=reason)


def size(default: int, reason: str, least: int = 1) -> Any:
    """Return the field of an amount of bytes; the environment may write it as ``50MiB`` or ``50MB``."""
    return Field(default, ge=least, le=1 << 40, description=reason)


def count(default: int, reason: str, most: int = 1 << 31) -> Any:
    """Return the field of a count of at least one."""
    return Field(default, ge=1, le=most, description=reason)


class Limits(BaseModel):
    """All limits and timeouts; a number in brackets is the section of docs/protocol.md with the rule."""

    model_config = ConfigDict(defer_build=True)  # the server makes `Settings` alone

    # Sockets
    message_limit: Size = size(50 * MIB, "largest message on a socket, closed with 1009 above (1)", 16 * KIB)
    roleless_message_limit: Size = size(64 * KIB, "largest message before a socket has a role (1)", 512)
    fragment_limit: Count = count(4096, "fragments of one message; the socket is closed with 1008 above (1)")
    role_deadline: Seconds = seconds(15, "time from upgrade to role; then closed with 1008 (1)", ROUND_TRIP)
    liveness_timeout: Seconds = seconds(
        15,
        "a socket without input, or whose large message is too slow, is closed: three pings (6)",
        ROUND_TRIP,
    )
    liveness_interval: Seconds = seconds(5, "time between two checks for dead sockets (6)", BUSY)
    probe_interval: Seconds = seconds(
        15, "time between protocol pings to superseded and pending sockets (2)", BUSY
    )
    probe_timeout: Seconds = seconds(
        15, "a pinged socket without any answer for this long is dropped (2)", ROUND_TRIP
    )
    superseded_limit: Count = count(4, "superseded workstation sockets kept per tunnel (2)")
    pending_limit: Count = count(64, "clients per tunnel that wait for an offline workstation (3.1)")
    close_timeout: Seconds = seconds(5, "wait for the peer's close frame before the connection is cut")

    # Tunnels and devices
    offline_grace: Seconds = seconds(2, "a workstation that returns within it is not reported offline (6)")
    offline_patience: Seconds = seconds(
        5,
        "wait of `connect` for a workstation after a start or a loss; at most 2.5 times OFFLINE_GRACE (3.1)",
    )
    offline_grace_bytes: Size = size(16 * MIB, "messages per tunnel that wait during OFFLINE_GRACE (6)")
    device_memory: Seconds = seconds(5 * MINUTE, "a device that returns within it is restored (3.1)")
    request_memory: Seconds = seconds(MINUTE, "time for which an answer goes to the device that asked (3.3)")
    requests_remembered: Count = count(256, "open requests remembered per device (3.3)")
    directory_warmup: Seconds = seconds(
        30, "after a start with an empty directory: unknown tunnels get 503 (4)"
    )

    # Output of a socket
    backlog_limit: Size = size(64 * MIB, "unsent output of one client, closed with 1013 above (6)", 64 * KIB)
    backlog_patience: Seconds = seconds(
        0.5, "time above BACKLOG_LIMIT before the close; its workstation is not read meanwhile (6)"
    )
    stall_bytes: Size = size(MIB, "unsent output above which a client must make progress (6)")
    stall_timeout: Seconds = seconds(
        10, "time above STALL_BYTES without progress before the close, 1013 (6)", ROUND_TRIP
    )

    # Memory that peers pin
    tunnel_memory: Size = size(256 * MIB, "bytes that one tunnel's peers may pin in a worker", MIB)
    worker_memory: Size = size(
        1024 * MIB, "bytes that all peers may pin in a worker; above it large messages wait", MIB
    )

    # Wrong keys
    attempt_window: Seconds = seconds(MINUTE, "period over which wrong keys and new tunnels are counted (7)")
    attempts_an_address: Count = count(10, "wrong keys per minute from one address at a tunnel (7)", ATTEMPTS)
    attempts_a_tunnel: Count = count(
        60, "wrong keys per minute at a tunnel from unknown devices (7)", ATTEMPTS
    )
    attempts_kept_free: Count = count(6, "of ATTEMPTS_A_TUNNEL, for addresses without a recent wrong key (7)")
    live_tunnels: Count = count(10_000, "tunnel ids that one registration key may have (7)")
    untouched_memory: Seconds = seconds(
        60 * MINUTE, "an offline tunnel that never had a device is kept for this long (7)"
    )
    new_tunnels: Count = count(60, "new tunnel ids per minute, registration key and address (7)")

    # Device keys
    pairing_window: Seconds = seconds(
        10 * MINUTE, "time in which the first device must use a new device key or human code"
    )

    audit_days: Count = count(30, "days for which the audit keeps what devices have sent", CENTURY)

    # Watches
    watch_queue_messages: Count = count(100, "messages queued for a watch (4)")
    watch_queue_bytes: Size = size(64 * MIB, "bytes queued for a watch (4)", 4 * KIB)
    watch_message_ttl: Seconds = seconds(5 * MINUTE, "age at which a queued message is dropped (4)")
    watch_idle: Seconds = seconds(5 * MINUTE, "time for which a watch counts as connected after a call (4)")
    watch_wait_limit: Seconds = seconds(25, "longest poll; below the 30 s of common proxies (4)")
    watch_body_limit: Size = size(
        64 * MIB, "largest body of a watch call: 45 MiB of voice in base64 (4)", 4 * KIB
    )

    # Devices that stay
    stay_resume: Seconds = seconds(
        10 * MINUTE, "time for which a client that has asked for resume stays, and its messages are kept"
    )
    stay_push: Seconds = seconds(24 * 60 * MINUTE, "STAY_RESUME for a device with a push subscription")
    stay_messages: Count = count(256, "messages kept for a device that stays")
    stay_bytes: Size = size(4 * MIB, "bytes kept for a device that stays", 4 * KIB)

    hold_ttl_limit: Seconds = seconds(
        24 * 60 * MINUTE, "longest time for which a client may have a message held"
    )
    hold_messages: Count = count(100, "messages held per tunnel for an absent workstation")

    # HTTP
    header_timeout: Seconds = seconds(10, "time for a complete request header", ROUND_TRIP)
    body_timeout: Seconds = seconds(60, "time for a request body", ROUND_TRIP)
    keep_alive: Seconds = seconds(
        75, "idle HTTP connection; above the 60 s of proxies, so that they close first"
    )

    # Log
    log_queue: Size = size(MIB, "bytes of lines kept per process while the log is not read; then lost", LINE)
    log_lines_a_minute: Count = count(60, "lines of one event per minute and process; then only their number")

    # Bus and workers
    directory_bytes: Size = size(128 * MIB, "size of the directory on the bus: 500 bytes per tunnel", MIB)
    device_bytes: Size = size(64 * MIB, "size of the device keys on the bus: some 500 bytes per key", MIB)
    audit_bytes: Size = size(64 * MIB, "size of the audit on the bus; above it the oldest entries go", MIB)
    bus_store_limit: Size = size(4096 * MIB, "disk space of the embedded bus", 16 * MIB)
    bus_start_timeout: Seconds = seconds(5, "wait for the bus at the start before HTTP is answered with 503")
    ready_timeout: Seconds = seconds(25, "a successor not ready by then is ended; the old worker stays", 1)
    handoff_timeout: Seconds = seconds(
        10, "a socket that a successor does not take by then goes back", ROUND_TRIP
    )
    drain_window: Seconds = seconds(20, "period over which sockets that were not handed over are closed")
    shutdown_timeout: Seconds = seconds(8, "time for a worker's orderly end; one second later it is killed")
