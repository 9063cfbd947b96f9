"""The device API as an owner's page uses it."""

from __future__ import annotations

from typing import Any, Self

import httpx

from tests.harness import AUTH_KEY, Peer, Server


class Owner:
    """Calls the device API with a tunnel's key, or with a device key."""

    def __init__(
        self, server: Server, tunnel_id: str, auth_key: str = AUTH_KEY, device_id: str = "owner-1"
    ) -> None:
        headers = {
            "Authorization": f"Bearer {auth_key}",
            "X-Tunnel-Id": tunnel_id,
            "X-Device-Id": device_id,
        }
        self.tunnel_id = tunnel_id
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1", timeout=30, verify=False, headers=headers
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def mint(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.http.post("/devices", json=wanted)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def devices(self) -> list[dict[str, Any]]:
        return list((await self.everything())["devices"])

    async def everything(self) -> dict[str, Any]:
        answer = await self.http.get("/devices")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def change(self, key_id: str, **changes: str) -> httpx.Response:
        return await self.http.patch(f"/devices/{key_id}", json=changes)

    async def revoke(self, key_id: str) -> httpx.Response:
        return await self.http.delete(f"/devices/{key_id}")


def key_of(minted: dict[str, Any]) -> str:
    return str(minted["pairing"]["key"])


def id_of(minted: dict[str, Any]) -> str:
    return str(minted["device"]["key_id"])


async def refusal(server: Server, tunnel_id: str, auth_key: str, device_id: str) -> dict[str, Any]:
    """Return the error that a ``connect`` with this key gets."""
    async with await Peer.open(server) as peer:
        payload = {"tunnel_id": tunnel_id, "auth_key": auth_key, "device_id": device_id}
        await peer.send({"type": "connect", "payload": payload})
        return dict((await peer.next("error"))["payload"])
