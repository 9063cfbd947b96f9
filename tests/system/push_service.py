"""A push service on loopback: it checks each POST as a real one does, and decrypts it as a browser does."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.patience import eventually
from tiflis.relay.push import encryption
from tiflis.relay.push.encryption import decode64, encode64


class Browser:
    """The receiver's end of a subscription."""

    def __init__(self) -> None:
        self.key, self.secret = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    def subscription(self, endpoint: str) -> dict[str, Any]:
        keys = {"p256dh": encode64(encryption.point(self.key)), "auth": encode64(self.secret)}
        return {"endpoint": endpoint, "expirationTime": None, "keys": keys}

    def decrypt(self, body: bytes) -> bytes:
        salt, length = body[:16], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        shared = self.key.exchange(ec.ECDH(), encryption.read_point(sender))
        info = b"WebPush: info\0" + encryption.point(self.key) + sender
        material = HKDF(hashes.SHA256(), 32, self.secret, info).derive(shared)
        key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(material)
        nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(material)
        return AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0").removesuffix(b"\2")


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Hook:
    """An HTTP server on loopback that reads POSTs, one per connection, and answers them with ``status``."""

    def __init__(self, status: int = 200, take: Callable[[Post], Awaitable[None]] | None = None) -> None:
        """``take`` is called with each POST before it is answered."""
        self.received: list[Post] = []
        self.status, self.connections = status, 0
        self._take = take

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in lines[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
        except (asyncio.IncompleteReadError, ConnectionError):  # the sender was killed
            return writer.close()
        method, path, _ = lines[0].split(" ")
        assert method == "POST"
        post, status = Post(path, headers, body), self.status
        if self._take is not None:
            await self._take(post)
        self.received.append(post)
        writer.write(
            f"HTTP/1.1 {status} Status\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    async def until(self, count: int, deadline: float = 15.0) -> None:
        """Wait for this many POSTs."""
        await eventually(lambda: len(self.received) >= count, deadline, f"{count} POSTs")


class PushService:
    """Checks the POSTs to ``hook``; ``pushed``: what came, decrypted, with its headers."""

    def __init__(self) -> None:
        self.browser, self.hook = Browser(), Hook(201, self._take)
        self.pushed: list[dict[str, Any]] = []
        self.vapid = ""  # the key that must sign

    async def __aenter__(self) -> Self:
        await self.hook.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hook.__aexit__()

    @property
    def origin(self) -> str:
        return self.hook.origin

    async def _take(self, post: Post) -> None:
        assert post.path == "/send/abc?x=1"
        self._check(post.headers)
        message = json.loads(self.browser.decrypt(post.body))
        self.pushed.append(message | {"headers": post.headers})
        await self.before_answer(message)

    def _check(self, headers: dict[str, str]) -> None:
        token, _, public = headers["authorization"].removeprefix("vapid t=").partition(", k=")
        signed, _, signature = token.rpartition(".")
        raw = decode64(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        encryption.read_point(decode64(public)).verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        claims = json.loads(decode64(signed.partition(".")[2]))
        assert (public, claims["aud"]) == (self.vapid, self.origin)
        assert time.time() < claims["exp"] < time.time() + 86_400
        assert (headers["content-encoding"], headers["ttl"]) == ("aes128gcm", "3600")

    async def before_answer(self, message: dict[str, Any]) -> None:
        """Wait with the answer to a POST; here it is answered at once."""

    async def until(self, count: int, deadline: float = 15.0) -> dict[str, Any]:
        """Wait for this many POSTs, and return the last one."""
        await self.hook.until(count, deadline)
        assert len(self.pushed) == count
        return self.pushed[-1]
