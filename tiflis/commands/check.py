"""`tiflis check`: says before the start whether the server can run here, and what its settings mean."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
import nats.errors

from tiflis.arbiter.control import NoServer, request
from tiflis.arbiter.nats_server import NatsFailed, find_binary
from tiflis.arbiter.run_folder import RunFolder
from tiflis.config import EXIT_MISCONFIGURED, ConfigError, Settings, read

NAME = "check"
ABOUT = "check configuration, bus, port and data folder before the server is started"
NATS_SECONDS = 3
FREE_BYTES = 256 * 2**20  # the embedded bus keeps watch queues of up to 64 MiB a device
DESCRIPTORS = 4_096  # one a socket, besides some dozens of our own


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `state` is ok, note or fail."""

    state: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: the settings come from the environment, as for the server."""


def run(arguments: argparse.Namespace) -> int:
    """0: the server can start; 1: something fails; 2: the configuration is wrong."""
    try:
        settings = read()
    except ConfigError as problem:
        _report(Finding("fail", line) for line in problem.lines)
        return EXIT_MISCONFIGURED
    findings = [finding for check in CHECKS for finding in check(settings)]
    _report(findings)
    return int(any(finding.state == "fail" for finding in findings))


def _report(findings: Iterator[Finding] | list[Finding]) -> None:
    for finding in findings:
        print(f"{finding.state:<4}  {finding.text}")


def configuration(settings: Settings) -> Iterator[Finding]:
    keys = len(settings.registration_keys)
    yield Finding("ok", f"configuration is valid, {keys} registration key{'s' if keys > 1 else ''}")
    if settings.public_base_url is None:
        yield Finding("note", "PUBLIC_BASE_URL is not set: workstations are told the host they called")


def bus(settings: Settings) -> Iterator[Finding]:
    if settings.nats_url is not None:
        yield asyncio.run(_reach(settings.nats_url.get_secret_value()))
        return
    try:
        yield Finding("ok", f"embedded NATS: {find_binary()}")
    except NatsFailed as problem:
        yield Finding("fail", str(problem))


async def _reach(urls: str) -> Finding:
    """Connect as a worker would. What is wrong is told without the URL, which holds a password."""
    failures: list[Exception] = []

    async def note(problem: Exception) -> None:
        failures.append(problem)

    try:
        client = await asyncio.wait_for(
            nats.connect(
                [url.strip() for url in urls.split(",") if url.strip()],
                connect_timeout=NATS_SECONDS,
                allow_reconnect=False,
                max_reconnect_attempts=0,
                error_cb=note,
            ),
            NATS_SECONDS + 1,
        )
    except (OSError, TimeoutError, nats.errors.Error) as problem:
        reason = failures[-1] if failures else problem
        return Finding("fail", f"NATS_URL does not answer: {type(reason).__name__}")
    try:
        await client.jetstream(timeout=NATS_SECONDS).account_info()
    except (TimeoutError, nats.errors.Error):
        return Finding("fail", "NATS_URL answers, but without JetStream, which keeps the directory")
    finally:
        await client.close()
    return Finding("ok", "NATS_URL answers and has JetStream")


def port(settings: Settings) -> Iterator[Finding]:
    place = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as problem:
            yield _taken(settings, f"{place} cannot be listened on: {problem.strerror}")
        else:
            yield Finding("ok", f"{place} is free")


def _taken(settings: Settings, failure: str) -> Finding:
    """A port taken by this very server is no mistake."""
    try:
        request(RunFolder(settings.data_dir, settings.port).path, "status", NATS_SECONDS)
    except NoServer:
        return Finding("fail", failure)
    return Finding("note", f"the server is already running on port {settings.port}")


def data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as problem:
        yield Finding("fail", f"DATA_DIR {settings.data_dir} is not writable: {problem.strerror}")
        return
    yield Finding("ok", f"DATA_DIR {settings.data_dir} is writable")
    yield from _free_space(there)


def _free_space(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        yield Finding("note", f"DATA_DIR has only {free // 2**20} MiB free; the bus stores there")


def descriptors(settings: Settings) -> Iterator[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        yield Finding("note", f"only {soft} open files are allowed (ulimit -n), one is needed a socket")


def proxy(settings: Settings) -> Iterator[Finding]:
    trust = settings.trust_proxy
    if trust is True:
        yield Finding(
            "note",
            "TRUST_PROXY=true: X-Forwarded-* of every peer is believed, so only a proxy may reach the port",
        )
    elif trust is False:
        yield Finding(
            "note",
            "TRUST_PROXY is off: X-Forwarded-* is ignored. Behind a proxy all clients share its address, and "
            "wrong keys of one would lock out the others: list the proxy's network there",
        )
    else:
        networks = ", ".join(map(str, trust))
        yield Finding("ok", f"TRUST_PROXY: X-Forwarded-* is believed from {networks}")


def metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_port and settings.metrics_host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            "note",
            f"METRICS_HOST={settings.metrics_host}: whoever reaches port {settings.metrics_port} reads the"
            " metrics; METRICS_TOKEN guards only those of the public port",
        )


def user(settings: Settings) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding("note", "this is root; the server needs no rights of root")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    configuration,
    bus,
    port,
    data_folder,
    descriptors,
    proxy,
    metrics,
    user,
)
