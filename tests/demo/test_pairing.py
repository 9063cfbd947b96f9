"""Links and codes that lead a device to a tunnel."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from urllib.parse import parse_qs, unquote, urlsplit

from tiflis_workstation.pairing import Pairing

KEY = "keyyyy~?~?~?>>>>?>?>>???~~~"  # its base64 has "+", "/" and "=", which links must not show bare
PAIRING = Pairing("abc_-123XYZ0", "wss://tunnel.example.org/ws", KEY)
EXPECTED = {"tunnel_id": "abc_-123XYZ0", "url": "wss://tunnel.example.org/ws", "key": KEY}


def decoded(data: str) -> object:
    return json.loads(base64.b64decode(unquote(data), validate=True))


def test_the_magic_link_carries_the_pairing() -> None:
    scheme, _, data = PAIRING.magic_link.partition("?data=")
    assert scheme == "tiflis://connect"
    assert decoded(data) == EXPECTED


def test_the_data_needs_no_further_escaping() -> None:
    assert set("+/=") <= set(unquote(PAIRING.data))
    assert re.fullmatch(r"(?:[A-Za-z0-9]|%[0-9A-F]{2})+", PAIRING.data)


def test_a_url_parser_reads_the_magic_link() -> None:
    data = parse_qs(urlsplit(PAIRING.magic_link).query)["data"][0]
    assert json.loads(base64.b64decode(data)) == EXPECTED


def test_the_web_link_keeps_the_key_in_the_fragment() -> None:
    link = urlsplit(PAIRING.web_link)
    assert (link.scheme, link.netloc, link.path, link.query) == ("https", "tunnel.example.org", "/", "")
    assert decoded(link.fragment.removeprefix("data=")) == EXPECTED


def test_below_a_path_the_web_link_is_there_too() -> None:
    below = replace(PAIRING, url="wss://tunnel.example.org/x/ws")
    assert below.web_link.startswith("https://tunnel.example.org/x/#data=")


def test_a_plain_tunnel_has_a_plain_web_link() -> None:
    assert Pairing("t", "ws://127.0.0.1:3001/ws", "k").web_link.startswith("http://127.0.0.1:3001/#data=")


def test_the_qr_code_is_made_of_half_blocks() -> None:
    lines = PAIRING.qr_code().splitlines()
    assert set("".join(lines)) <= set("█▀▄ ")
    assert max(len(line) for line in lines) <= 80
