"""The peer's address and the host name that it used: forged headers are ignored (protocol, section 7)."""

from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from sanic import Request
from sanic.compat import Header

from tests.web.served import settings
from tiflis.web.address import Addresses

Headers = list[tuple[str, str]]


class FakeTransport:
    def __init__(self, peer: str | None, own: str) -> None:
        self._names: dict[str, Any] = {
            "peername": (peer, 5000) if peer is not None else None,
            "sockname": (own, 3001),
        }
        if own.startswith("/"):  # as event loops name the ends of a Unix socket
            self._names = {"peername": "", "sockname": own}

    def get_extra_info(self, name: str) -> Any:
        return self._names[name]


class FakeRequest:
    def __init__(self, headers: Headers, peer: str | None = "192.0.2.9", own: str = "127.0.0.1") -> None:
        self.headers = Header(headers)
        self.transport = FakeTransport(peer, own)


def request(*headers: tuple[str, str], peer: str | None = "192.0.2.9", own: str = "127.0.0.1") -> Request:
    return cast(Request, FakeRequest(list(headers), peer, own))


def forwarded(*values: str, peer: str = "10.0.0.1") -> Request:
    return request(*(("X-Forwarded-For", value) for value in values), peer=peer)


def client(asking: Request, trust: Any) -> str:
    return Addresses(settings(trust_proxy=trust)).client(asking)


@pytest.mark.parametrize("trust", [False, "10.0.0.0/8"])
def test_an_untrusted_peer_is_itself_whatever_it_claims(trust: object) -> None:
    assert client(forwarded("1.2.3.4", peer="192.0.2.9"), trust) == "192.0.2.9"


CHAINS = [
    (["1.2.3.4"], "1.2.3.4"),
    (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
    (["6.6.6.6, 1.2.3.4, 10.0.0.7"], "1.2.3.4"),
    (["6.6.6.6", "1.2.3.4, 10.0.0.7"], "1.2.3.4"),
    (["6.6.6.6, 1.2.3.4", "10.0.0.7"], "1.2.3.4"),
    (["10.0.0.5, 10.0.0.7"], "10.0.0.5"),
    ([], "10.0.0.1"),
    ([""], "10.0.0.1"),
    (["nonsense"], "10.0.0.1"),
    (["1.2.3.4, nonsense"], "10.0.0.1"),
    (["1.2.3.4, nonsense, 10.0.0.7"], "10.0.0.7"),
    (["unknown, 10.0.0.7"], "10.0.0.7"),
]


@pytest.mark.parametrize(("values", "expected"), CHAINS)
def test_the_last_untrusted_hop_counts(values: list[str], expected: str) -> None:
    assert client(forwarded(*values), "10.0.0.0/8") == expected


def test_true_trusts_the_peer_alone() -> None:
    """What the one proxy in front appended; what stands before it is the client's own claim."""
    assert client(forwarded("6.6.6.6, 1.2.3.4", peer="192.0.2.9"), True) == "1.2.3.4"


SPELLINGS = [
    ("1.2.3.4:5678", "1.2.3.4"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("2001:db8::1", "2001:db8::1"),
    ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("::ffff:1.2.3.4", "1.2.3.4"),
    ("  1.2.3.4  ", "1.2.3.4"),
]


@pytest.mark.parametrize(("spelling", "expected"), SPELLINGS)
def test_spellings_of_an_address(spelling: str, expected: str) -> None:
    assert client(forwarded(spelling), True) == expected


@pytest.mark.parametrize(
    "junk",
    ["1.2.3", "1.2.3.4.5", "999.1.1.1", "[::1", "a" * 10_000, "1.2.3.4\r\nx: y", "_hidden", "1.2.3.4;x"],
)
def test_junk_is_not_taken_for_an_address(junk: str) -> None:
    assert client(forwarded(junk), True) in ("10.0.0.1", "::1")


@pytest.mark.parametrize(
    ("peer", "trust", "expected"),
    [
        ("::1", "::1/128", "1.2.3.4"),
        ("::ffff:10.0.0.1", "10.0.0.0/8", "1.2.3.4"),
        ("fd00::5", "fd00::/8,10.0.0.0/8", "1.2.3.4"),
        ("2001:db8::9", "fd00::/8", "2001:db8::9"),
        ("10.0.0.1", "fd00::/8", "10.0.0.1"),
    ],
)
def test_networks_of_both_families(peer: str, trust: str, expected: str) -> None:
    assert client(forwarded("1.2.3.4", peer=peer), trust) == expected


def test_a_unix_socket_has_no_address() -> None:
    assert client(request(peer=None), False) == ""


# The public URL


def public_url(asking: Request, **changes: Any) -> str:
    return Addresses(settings(**changes)).public_url(asking)


@pytest.mark.parametrize(
    "base", ["https://t.example.org", "https://t.example.org/", "https://t.example.org///"]
)
def test_the_operators_word_counts(base: str) -> None:
    asking = request(("Host", "elsewhere"))
    assert public_url(asking, public_base_url=base) == "https://t.example.org/ws"
    assert public_url(asking, public_base_url=base, ws_path="/a/b") == "https://t.example.org/a/b"


def test_otherwise_the_host_by_which_it_was_found() -> None:
    assert public_url(request(("Host", "t.example.org:3001"))) == "ws://t.example.org:3001/ws"


PROXIED = [("Host", "inner:3001"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "t.example.org")]


def test_a_trusted_proxy_names_the_host() -> None:
    assert public_url(request(*PROXIED), trust_proxy=True) == "wss://t.example.org/ws"
    assert (
        public_url(request(*PROXIED, peer="10.0.0.1"), trust_proxy="10.0.0.0/8") == "wss://t.example.org/ws"
    )


PREFIXES = [("/x/", "/x"), ("/a/b-2", "/a/b-2"), ("//evil", ""), ("/a b", ""), ("x", "")]


@pytest.mark.parametrize(("prefix", "kept"), PREFIXES)
def test_a_trusted_proxy_says_below_which_path(prefix: str, kept: str) -> None:
    asking = request(*PROXIED, ("X-Forwarded-Prefix", prefix))
    assert public_url(asking, trust_proxy=True) == f"wss://t.example.org{kept}/ws"
    assert public_url(asking) == "ws://inner:3001/ws"


@pytest.mark.parametrize("trust", [False, "10.0.0.0/8"])
def test_an_untrusted_one_does_not(trust: object) -> None:
    assert public_url(request(*PROXIED), trust_proxy=trust) == "ws://inner:3001/ws"


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "wss"),
        ("HTTPS", "wss"),
        ("wss", "wss"),
        ("http", "ws"),
        ("https,http", "wss"),
        ("", "ws"),
        ("x", "ws"),
    ],
)
def test_the_scheme(proto: str, scheme: str) -> None:
    asking = request(("Host", "h"), ("X-Forwarded-Proto", proto))
    assert public_url(asking, trust_proxy=True) == f"{scheme}://h/ws"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a/b",
        "user@host",
        "host:99999",
        "host:0",
        "[::1",
        "a?b",
        "a#b",
        "\u00e9\u0000",
        "a\\b",
        "1.2.3.4.5",
        "1.2.3.999",
        "a.b.5",
        "[1.2.3.4]:x",
        ".",
    ],
)
def test_it_always_parses_as_a_url(host: str) -> None:
    """A bad one makes the workstation's process exit."""
    for asking in (request(("Host", host)), request(("Host", host), own="::1")):
        url = urlsplit(public_url(asking))
        assert url.scheme == "ws"
        assert url.hostname in ("127.0.0.1", "::1")
        assert (url.port, url.path) == (3001, "/ws")


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1:80", "[::1]:8080", "EXAMPLE.org"])
def test_hosts_that_are_fine(host: str) -> None:
    assert public_url(request(("Host", host))) == f"ws://{host}/ws"


SOCKET = "/run/tiflis.sock"


@pytest.mark.parametrize("trust", ["unix", "10.0.0.0/8, UNIX", True])
def test_a_trusted_proxy_over_a_unix_socket_names_the_client(trust: object) -> None:
    asking = request(*PROXIED, ("X-Forwarded-For", "192.0.2.9"), own=SOCKET)
    assert client(asking, trust) == "192.0.2.9"
    assert public_url(asking, trust_proxy=trust) == "wss://t.example.org/ws"


@pytest.mark.parametrize("trust", [False, "10.0.0.0/8"])
def test_other_peers_over_a_unix_socket_are_named_unix(trust: object) -> None:
    asking = request(*PROXIED, ("X-Forwarded-For", "192.0.2.9"), own=SOCKET)
    assert client(asking, trust) == "unix"
    assert public_url(asking, trust_proxy=trust) == "ws://inner:3001/ws"


def test_a_peer_over_tcp_is_not_a_trusted_unix_socket() -> None:
    assert client(request(("X-Forwarded-For", "1.2.3.4"), peer="192.0.2.9"), "unix") == "192.0.2.9"
    assert client(request(("X-Forwarded-For", "1.2.3.4"), peer=None), "unix") == ""


def test_a_host_over_a_unix_socket_that_is_none_gives_a_url_all_the_same() -> None:
    assert public_url(request(("Host", "a b"), own=SOCKET)) == "ws://localhost/ws"
