"""Keys and contents do not leak: logs, metrics, store, arguments and environments are searched for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.harness import Server, command_of, crowd, environment_of
from tests.patience import WALL_PATIENCE
from tests.peers import REGISTRATION_KEY, Peer
from tests.system.watches import WatchDevice

AUTH = "canary-auth+key/é 0123456789"
CONTENT = "canary-content-0123456789"
METRICS_TOKEN, STATUS_TOKEN = "canary-metrics-0123456789", "canary-status-0123456789"
GIVEN = (REGISTRATION_KEY, METRICS_TOKEN, STATUS_TOKEN)  # by the operator, in the environment
SECRETS = (AUTH, *GIVEN, "canary-content", "canary-query", "canary-wrong")


def spellings(secret: str) -> set[bytes]:
    """Return the encodings in which a secret could leak."""
    texts = {secret, quote(secret), quote(secret, safe=""), secret.encode("unicode_escape").decode()}
    return {text.encode() for text in texts} | {secret.encode().hex().encode()}


def found_in(data: bytes) -> list[bytes]:
    return [spelling for secret in SECRETS for spelling in spellings(secret) if spelling in data]


async def live_through(server: Server) -> list[str]:
    """Use every feature with canaries in all fields; return the bodies of all errors."""
    bodies: list[str] = []
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation(auth_key=AUTH)
        client = await people.client(tunnel_id, auth_key=AUTH)
        await client.send({"type": "command", "payload": {"text": CONTENT, "audio": CONTENT * 1000}})
        await workstation.next("command")
        await workstation.send({"type": "output", "payload": {"content": CONTENT}})
        await client.next("output")
        stranger = await people.socket()
        for message in (
            {"type": "workstation.register", "payload": {"api_key": "canary-wrong" * 4, "name": CONTENT}},
            {
                "type": "connect",
                "payload": {"tunnel_id": tunnel_id, "auth_key": "canary-wrong" * 2, "device_id": "d"},
            },
            {"type": "connect", "payload": {"tunnel_id": CONTENT, "auth_key": AUTH, "device_id": "d"}},
            {"type": CONTENT, "payload": CONTENT},
            '{"auth_key": "' + AUTH + '", broken',
            b"\xff" + AUTH.encode(),
        ):
            await stranger.send(message)
        await hostile_http(server, tunnel_id, bodies)
        await what_operators_read(server, bodies)
        await stranger.until_closed(20)
        bodies += stranger.raw
    return bodies


async def hostile_http(server: Server, tunnel_id: str, bodies: list[str]) -> None:
    async with WatchDevice(server, tunnel_id) as watch:
        watch.who |= {"auth_key": AUTH}
        await watch.connect()
        await watch.poll()
        await watch.post("command", message={"type": "x", "payload": CONTENT})
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        for method, path, body in (
            ("GET", f"/api/v1/watch/state?tunnel_id={tunnel_id}&auth_key=canary-query-key&device_id=d", ""),
            ("GET", f"/api/v1/watch/messages?auth_key={quote(AUTH)}", ""),
            ("GET", "/nothing?token=canary-query", ""),
            ("GET", "/ws?auth_key=canary-query", ""),
            ("POST", "/api/v1/watch/command", '{"auth_key": "canary-wrong", "message": {"canary-content"'),
            (
                "POST",
                "/api/v1/watch/connect",
                f'{{"tunnel_id":"{CONTENT}","auth_key":"{"w" * 20}","device_id":"d"}}',
            ),
        ):
            response = await http.request(method, path, content=body)
            assert response.status_code != 500
            bodies.append(response.text + str(response.headers))


async def what_operators_read(server: Server, bodies: list[str]) -> None:
    """Return metrics and status with the right token and without, as JSON and as a page."""
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        for path, token in (("/metrics", METRICS_TOKEN), ("/status", STATUS_TOKEN)):
            for shown, kind in ((token, "*/*"), (token, "text/html"), ("canary-wrong-token", "*/*")):
                headers = {"Authorization": f"Bearer {shown}", "Accept": kind}
                response = await http.get(path, headers=headers)
                assert response.status_code == (401 if shown != token else 200)
                bodies.append(response.text + str(response.headers))


def left_behind(server: Server) -> list[str]:
    """Return where a secret lies in the server's files and its processes' arguments and environments."""
    places = [
        str(path) for path in server.folder.rglob("*") if path.is_file() and found_in(path.read_bytes())
    ]
    for pid in server.processes():
        if found_in(Path(f"/proc/{pid}/cmdline").read_bytes()):
            places.append(f"arguments of {pid}")
        # The operator gave the key to the main process in its environment, which Python's children inherit.
        own = pid == server.pid or "multiprocessing" in command_of(pid)
        if not own and set(GIVEN) & set(environment_of(pid).values()):
            places.append(f"environment of {pid}")
    return places


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2) as running:
        yield running


async def test_no_secret_is_left_anywhere() -> None:
    limits = {"ROLE_DEADLINE": "2", "LIVENESS_INTERVAL": "0.5"}
    limits |= {"METRICS_TOKEN": METRICS_TOKEN, "STATUS_TOKEN": STATUS_TOKEN}
    with Server(workers=2, env={"LOG_LEVEL": "trace", "ACCESS_LOG": "true", **limits}) as server:
        bodies = await live_through(server)
        assert '"path": "/nothing"' in server.logs()
        assert '"path": "/ws", "status": 101' in server.logs()
        assert left_behind(server) == []
        assert [body for body in bodies if found_in(body.encode())] == []
        server.stop()
        assert found_in(server.logs().encode()) == []


def listening(pids: set[int]) -> set[str]:
    """Return the local addresses, in the kernel's hexadecimal, on which these processes listen."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


async def test_only_the_public_port_could_be_reached_from_outside_and_the_bus_asks_for_its_token(
    server: Server,
) -> None:
    addresses = listening(set(server.processes()))
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}
    others = {int(address.partition(":")[2], 16) for address in addresses} - {server.port}
    assert len(others) == 1
    with socket.create_connection(("127.0.0.1", others.pop()), 5) as bus:
        bus.sendall(b"CONNECT {}\r\nPING\r\n")
        answer = b""
        while chunk := bus.recv(4096):
            answer += chunk
    assert b"Authorization Violation" in answer


async def test_ids_with_wildcards_reach_nobody(server: Server) -> None:
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation()
        for odd in (
            "*",
            ">",
            "tiflis.>",
            f"{tunnel_id}.x",
            "a b",
            "\r\nPUB x 1\r\ny",
            "x" * 10_000,
            "💥",
            "\0",
        ):
            stranger = await people.socket()
            payload = {"tunnel_id": odd, "auth_key": "k" * 20, "device_id": odd}
            await stranger.send({"type": "connect", "payload": payload})
            code = (await stranger.next("error"))["payload"]["code"]
            assert code in ("INVALID_PAYLOAD", "TUNNEL_NOT_FOUND", "INVALID_AUTH_KEY", "RATE_LIMITED")
        await workstation.silent()
        odd_device = await Peer.open(server)
        payload = {"tunnel_id": tunnel_id, "auth_key": "test-auth-key-0123456789", "device_id": "*.>"}
        await odd_device.send({"type": "connect", "payload": payload})
        await odd_device.next("connected")
        await odd_device.send({"type": "x"})
        assert (await workstation.next("x"))["device_id"] == "*.>"
        await odd_device.close()
