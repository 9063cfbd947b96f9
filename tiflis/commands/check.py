"""`tiflis check`: report before a start whether the server can run here, and effects of its settings."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tiflis.arbiter.ground import address_mistake, bus_mistake, folder_mistake, metrics_mistakes
from tiflis.arbiter.nats_server import NatsFailed, find_binary
from tiflis.arbiter.unix_listener import CannotListen, check_place
from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import NOT_FOUND, JetStream, StoreRefused
from tiflis.bus.nats.servers import parse_urls
from tiflis.config import Settings, notes, read
from tiflis.environment import EXIT_MISCONFIGURED, ConfigError, with_place
from tiflis.ipc.control_client import NoServer, request
from tiflis.ipc.run_folder import Place, RunFolder, described
from tiflis.values import path
from tiflis.web.client_build import read_client

NAME = "check"
ABOUT = "check configuration, bus, port and data folder before a start of the server"
FAIL = "fail"
NATS_SECONDS = 3
DIRECTORY = "KV_tiflis_tunnels"  # the stream without which no server starts
FREE_BYTES = 256 * 2**20  # the embedded bus stores watch queues of up to 64 MiB per device
DESCRIPTORS = 4_096  # one per socket, besides some dozens of our own


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `state` is ok, note or fail."""

    state: str
    text: str


class Mistake(Finding):
    """A setting that the server refuses, in the same words."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unix", type=path, help="Unix socket to listen on, instead of HOST and PORT")


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if the server can start, 1 if something that it needs is missing, 2 for a wrong
    configuration."""
    logging.getLogger("tiflis").addHandler(logging.NullHandler())  # the report contains the bus's errors
    try:
        settings = read()
        if settings.web_client_path != "off":
            read_client(settings.web_client_path, settings.ws_path)
    except ConfigError as problem:
        _report(Mistake(FAIL, line) for line in problem.lines)
        return EXIT_MISCONFIGURED
    place: Place = arguments.unix.absolute() if arguments.unix else settings.port
    findings = [finding for check in CHECKS for finding in check(settings)]
    findings += data_folder(settings, place)
    findings += unix(settings, place) if isinstance(place, Path) else port(settings)
    _report(findings)
    if any(isinstance(finding, Mistake) for finding in findings):
        return EXIT_MISCONFIGURED
    return int(any(finding.state == FAIL for finding in findings))


def _report(findings: Iterator[Finding] | list[Finding]) -> None:
    for finding in findings:
        text = with_place(finding.text) if isinstance(finding, Mistake) else finding.text
        print(f"{finding.state:<4}  {text}")


def configuration(settings: Settings) -> Iterator[Finding]:
    keys = len(settings.registration_keys)
    yield Finding("ok", f"configuration is valid, {keys} registration key{'s' if keys > 1 else ''}")
    for note in notes():
        yield Finding("note", note)
    if settings.public_base_url is None:
        yield Finding("note", "PUBLIC_BASE_URL is not set: workstations receive the host that they call")


def bus(settings: Settings) -> Iterator[Finding]:
    if wrong := bus_mistake(settings):
        yield Mistake(FAIL, wrong)
    elif settings.nats_url is not None:
        yield from asyncio.run(_reach(settings.nats_url.get_secret_value()))
    else:
        try:
            yield Finding("ok", f"embedded NATS: {find_binary()}")
        except NatsFailed as problem:
            yield Finding(FAIL, str(problem))


async def _reach(urls: str) -> list[Finding]:
    """Connect to each server as a worker would; one that is away is no failure while another answers."""
    findings = await asyncio.gather(*map(_reach_one, (url for url in urls.split(",") if url.strip())))
    if any(finding.state == "ok" for finding in findings):
        return [Finding("note", one.text) if one.state == FAIL else one for one in findings]
    return findings


async def _reach_one(url: str) -> Finding:
    """Connect and ask for JetStream. The text names the host and never the URL, which may hold a password."""
    (server,) = parse_urls(url)
    host = f"[{server.host}]" if ":" in server.host else server.host
    place, link = f"{host}:{server.port}", NatsClient(url, "tiflis-check")
    jetstream, asked = JetStream(link), ""
    try:
        await link.start(NATS_SECONDS)
        await jetstream.call("INFO", {}, NATS_SECONDS)
        asked = DIRECTORY
        await jetstream.call(f"STREAM.INFO.{DIRECTORY}", {}, NATS_SECONDS)
    except StoreRefused as problem:
        if asked and problem.code == NOT_FOUND:  # the server makes it
            return Finding("ok", f"NATS_URL answers and has JetStream: {place}")
        return Finding(FAIL, f"{_refused(asked)}: {place}: {problem}")
    except LinkUnavailable as problem:
        what = _refused(asked) if link.up else "NATS_URL does not answer"
        return Finding(FAIL, f"{what}: {place}: {problem}")
    finally:
        await link.close()
    return Finding("ok", f"NATS_URL answers and has JetStream: {place}")


def _refused(asked: str) -> str:
    if asked:
        return f"NATS_URL answers, but the stream {asked} cannot be used (see deploy/nats/nats.conf)"
    return "NATS_URL answers, but without JetStream"


def port(settings: Settings) -> Iterator[Finding]:
    if _is_running(settings, settings.port):
        yield Finding("note", f"the server is already running on port {settings.port}")
        return
    yield from _nothing_to_take_over(settings)
    wrong = address_mistake(settings.host, settings.port)
    yield Mistake(FAIL, wrong) if wrong else Finding("ok", f"{settings.host}:{settings.port} is free")
    for wrong in metrics_mistakes(settings, settings.host, settings.port):
        yield Mistake(FAIL, wrong)


def unix(settings: Settings, place: Path) -> Iterator[Finding]:
    if _is_running(settings, place):
        yield Finding("note", f"the server is already running on {described(place)}")
        return
    yield from _nothing_to_take_over(settings)
    try:
        check_place(place, 0)
    except CannotListen as problem:
        yield Mistake(FAIL, f"--unix {problem}")
    else:
        yield Finding("ok", f"{described(place)} is free")
    if settings.trust_proxy is False or (
        settings.trust_proxy is not True and "unix" not in settings.trust_proxy
    ):
        yield Finding("note", "TRUST_PROXY does not name unix: all clients share one address, unix")


def _nothing_to_take_over(settings: Settings) -> Iterator[Finding]:
    if settings.takeover is True:
        yield Finding(FAIL, "TAKEOVER=true, but no server runs here with this DATA_DIR: auto starts one then")


def _is_running(settings: Settings, place: Place) -> bool:
    """Return whether a server with these settings runs there already, which is no mistake."""
    try:
        request(RunFolder(settings.data_dir, place).path, "status", NATS_SECONDS)
    except NoServer:
        return False
    return True


def data_folder(settings: Settings, place: Place) -> Iterator[Finding]:
    if wrong := folder_mistake(settings.data_dir, place):
        yield Mistake(FAIL, wrong)
        return
    yield Finding("ok", f"DATA_DIR {settings.data_dir} is writable")
    folder = settings.data_dir.absolute()
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    if free < FREE_BYTES:
        yield Finding("note", f"DATA_DIR has only {free // 2**20} MiB free; the bus stores there")


def descriptors(settings: Settings) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # the server raises its soft limit to this
    if hard < DESCRIPTORS:
        yield Finding("note", f"only {hard} open files are allowed (ulimit -Hn), one is needed per socket")


def proxy(settings: Settings) -> Iterator[Finding]:
    trust = settings.trust_proxy
    if trust is True:
        yield Finding(
            "note",
            "TRUST_PROXY=true: X-Forwarded-* of every peer counts, so only a proxy may reach the port",
        )
    elif trust is False:
        yield Finding(
            "note",
            "TRUST_PROXY is off: X-Forwarded-* is ignored. Behind a proxy all clients share its address, and "
            "wrong keys of one would lock out the others: list the proxy's network there",
        )
    else:
        networks = ", ".join(map(str, trust))
        yield Finding("ok", f"TRUST_PROXY: X-Forwarded-* counts from {networks}")


def metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_port and settings.metrics_host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            "note",
            f"METRICS_HOST={settings.metrics_host}: anyone who reaches port {settings.metrics_port} can read"
            " the metrics; METRICS_TOKEN protects only those on the public port",
        )


def user(settings: Settings) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding("note", "this user is root; the server needs no root rights")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    configuration,
    bus,
    descriptors,
    proxy,
    metrics,
    user,
)
