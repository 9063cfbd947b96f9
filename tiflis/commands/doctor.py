"""`tiflis doctor`: check a deployed server from outside, and report what to change."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

from tiflis import environment
from tiflis.doctor import device_checks, http_checks, socket_checks, watch_checks
from tiflis.doctor.findings import FAIL, NOTE, Finding
from tiflis.doctor.socket_checks import Tunnel
from tiflis.doctor.target import Target, WrongUrl
from tiflis.environment import ConfigError

NAME = "doctor"
ABOUT = "check a deployed server from outside, through its proxy, and say what to change"
KEY, TOKEN = "TUNNEL_REGISTRATION_API_KEY", "STATUS_TOKEN"
IDLE_SECONDS = 75.0  # proxies close idle connections after 60 s by default


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url",
        help="such as https://tunnel.example.org, with the path of WS_PATH, or with a prefix such as /x/",
    )
    parser.add_argument("--api-key", help="registration key (default: TUNNEL_REGISTRATION_API_KEY)")
    parser.add_argument(
        "--status-token", help="token of /status, to check the address that it shows (default: STATUS_TOKEN)"
    )
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="seconds of the idle test (75); polls take up to 20"
    )
    parser.add_argument("--quick", action="store_true", help="omit large messages, long polls, idle test")
    parser.add_argument("--ca", help="CA file, for a private CA or a self-signed certificate")


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if nothing fails, 1 if something does, 2 for a wrong URL."""
    try:
        target = Target.of(arguments.url, arguments.ca)
    except (WrongUrl, OSError) as problem:
        print(f"tiflis doctor: {problem}", file=sys.stderr)
        return 2
    api_key, token = _secrets(arguments)
    return asyncio.run(_report(examine(target, api_key, token, arguments)))


def _secrets(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return registration key and status token, from the options or else from the settings. No other setting
    is read."""
    try:
        found = environment.read({KEY, TOKEN}).values
    except ConfigError as problem:
        print(f"tiflis doctor: {problem}", file=sys.stderr)
        found = {}
    first_key = found.get(KEY, "").split(",")[0].strip()
    return arguments.api_key or first_key, arguments.status_token or found.get(TOKEN, "")


async def _report(findings: AsyncIterator[Finding]) -> int:
    failed = 0
    async for finding in findings:
        failed += finding.state == FAIL
        print("\n".join(finding.lines()), flush=True)
    print(f"\n{failed} to change" if failed else "\nall is well")
    return int(failed > 0)


async def examine(
    target: Target, api_key: str, token: str, arguments: argparse.Namespace
) -> AsyncIterator[Finding]:
    """Yield every finding, in order, without checks that depend on a failed one."""
    for check in (http_checks.name, http_checks.certificate, http_checks.health):
        async for finding in check(target):
            yield finding
            if finding.state == FAIL:
                return
    async for finding in http_checks.headers(target):
        yield finding
    if token:
        async for finding in watch_checks.seen_address(target, token):
            yield finding
    else:
        yield Finding(NOTE, "real address", "not checked", "set STATUS_TOKEN, and give --status-token")
    if not api_key:
        yield Finding(NOTE, "tunnel", "sockets, sizes, watch and speed are not checked", "give --api-key")
        return
    tunnel = Tunnel(target, api_key)
    try:
        async for finding in _through_a_tunnel(tunnel, arguments):
            yield finding
    finally:
        await tunnel.close()


async def _through_a_tunnel(tunnel: Tunnel, arguments: argparse.Namespace) -> AsyncIterator[Finding]:
    async for finding in socket_checks.upgrade(tunnel):
        yield finding
        if finding.state == FAIL and finding.check == "upgrade":
            return
    checks = [socket_checks.speed(tunnel)]
    if not arguments.quick:
        checks.append(socket_checks.idle(tunnel, arguments.idle))
        checks.append(socket_checks.sizes(tunnel))
        checks.append(watch_checks.watch(tunnel, arguments.idle))
    checks.append(device_checks.device_keys(tunnel))
    checks.append(socket_checks.forged_address(tunnel))
    for check in checks:
        async for finding in check:
            yield finding
            if finding.state == FAIL and finding.check in ("sizes", "idle", "round trip"):
                return  # the sockets are broken
