"""docs/asyncapi.yaml is complete, and describes what the running server sends and accepts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from tests.harness import ROOT, Crowd, Server, crowd
from tests.peers import AUTH_KEY, REGISTRATION_KEY
from tiflis import __version__
from tiflis.protocol import errors, messages, states

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def resolved(node: dict[str, Any]) -> Any:
    found: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/")]
    return found


def allowed(operation: str) -> set[str]:
    """Return the types of messages that an operation may carry, by their names in components."""
    found = set()
    for reference in DOCUMENT["operations"][operation]["messages"]:
        message = resolved(reference)
        found.add(message["$ref"].rpartition("/")[2])
    return found


def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator({**MESSAGES[kind]["payload"], "components": DOCUMENT["components"]})


def check_all(said: list[dict[str, Any]], operation: str) -> None:
    """Check that every message which the server sent to a peer is described and matches its schema."""
    assert said
    for message in said:
        kind = message["type"] if message["type"] in MESSAGES else "relayed"
        assert kind in allowed(operation), f"{kind} is not described for {operation}"
        validator(kind).validate(message)


def test_every_reference_leads_somewhere_and_the_version_is_ours() -> None:
    def references(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node
            for below in node.values():
                yield from references(below)
        elif isinstance(node, list):
            for below in node:
                yield from references(below)

    assert all(resolved(reference) for reference in references(DOCUMENT))
    assert DOCUMENT["info"]["version"] == __version__


def test_what_a_role_may_say_is_what_the_server_acts_upon() -> None:
    for role, operation in (
        (states.Role.PENDING, "enter"),
        (states.Role.WORKSTATION, "fromWorkstation"),
        (states.Role.CLIENT, "fromClient"),
    ):
        named = allowed(operation) - {"relayed"}
        acted = {
            kind for kind in MESSAGES if states.act(role, kind) not in (states.Act.REFUSE, states.Act.RELAY)
        }
        assert named == acted, operation
        relays = states.act(role, "anything.else") is states.Act.RELAY
        assert ("relayed" in allowed(operation)) is relays


def test_the_codes_named_are_those_there_are() -> None:
    def below(kind: type[errors.TunnelError]) -> Iterator[str]:
        yield kind.code
        for one in kind.__subclasses__():
            yield from below(one)

    payload = MESSAGES["error"]["payload"]["properties"]["payload"]
    assert set(payload["properties"]["code"]["enum"]) == set(below(errors.TunnelError))


@pytest.mark.parametrize("kind", [kind for kind, message in MESSAGES.items() if "examples" in message])
def test_examples_fit_their_schema(kind: str) -> None:
    for example in MESSAGES[kind]["examples"]:
        validator(kind).validate(example["payload"])


def raw(payload: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(payload))


@pytest.mark.parametrize(
    ("kind", "read"),
    [("workstation.register", messages.read_registration), ("connect", messages.read_connection)],
)
def test_the_schema_refuses_what_the_server_refuses(kind: str, read: Any) -> None:
    """Each field is removed, given another type, or too short."""
    example = MESSAGES[kind]["examples"][0]["payload"]
    read(raw(example["payload"]))
    schema = MESSAGES[kind]["payload"]["properties"]["payload"]
    for name in schema["required"]:
        for wrong in (None, 7, ""):
            payload = {**example["payload"], name: wrong}
            if wrong is None:
                del payload[name]
            with pytest.raises(errors.InvalidPayload):
                read(raw(payload))
            with pytest.raises(ValidationError):
                validator(kind).validate({**example, "payload": payload})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2) as running:
        yield running


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Crowd]:
    async with crowd(server) as people:
        yield people


async def test_all_that_the_server_says_in_a_day_is_described(people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    for peer in (workstation, client):
        await peer.send({"type": "ping", "timestamp": 1.5})
        await peer.next("pong")
    await client.send({"type": "auth", "payload": {"auth_key": "wrong" * 5, "device_id": "phone-1"}})
    await client.next("auth.error")
    await client.send({"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": "phone-1"}})
    await workstation.next("auth")
    await client.send({"type": "connected", "id": 5})
    await client.next("error")
    await workstation.send({"type": "forward.to_device", "device_id": "phone-1", "payload": '{"type":"z"}'})
    await client.next("z")
    again, _ = await people.workstation(previous=tunnel_id)
    await client.next("connection.workstation_online")
    await again.next("auth")
    other = await people.client(tunnel_id, device_id="other")
    await other.close()
    await again.next("client.disconnected")
    await again.close()
    await client.next("connection.workstation_offline", 10)
    await client.send({"type": "x", "id": "r"})
    assert (await client.next("error"))["id"] == "r"
    for peer in (workstation, again):
        check_all(
            [message for message in peer.seen if message["type"] != "workstation.registered"], "toWorkstation"
        )
        validator("workstation.registered").validate(peer.seen[0])
    check_all(client.seen, "toClient")


async def test_all_that_a_newcomer_is_told_is_described(people: Crowd) -> None:
    stranger = await people.socket()
    said: tuple[dict[str, Any] | str, ...] = (
        {"type": "hello"},
        {"type": "connect", "id": {"any": "thing"}},
        {"type": "connect", "payload": {"tunnel_id": "nowhere", "auth_key": "k" * 16, "device_id": "d"}},
        {"type": "workstation.register", "payload": {"api_key": "k" * 32, "name": "n", "auth_key": "k" * 16}},
        {"type": "ping", "timestamp": 1},
        "no json",
    )
    for words in said:
        await stranger.send(words)
    await stranger.next("pong")
    payload = {"api_key": REGISTRATION_KEY, "name": "n", "auth_key": "k" * 16}
    await stranger.send({"type": "workstation.register", "payload": payload})
    await stranger.next("workstation.registered")
    described = {
        message["$ref"].rpartition("/")[2]
        for message in map(resolved, DOCUMENT["operations"]["enter"]["reply"]["messages"])
    }
    for message in stranger.seen:
        assert message["type"] in described
        validator(message["type"]).validate(message)
