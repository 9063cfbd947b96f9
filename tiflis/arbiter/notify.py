"""Tells systemd how this server is (sd_notify), where it has asked for that."""

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """For instance ``READY=1``; does nothing without a service manager."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto("\n".join(lines).encode(), address)
