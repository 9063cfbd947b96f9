"""What a start imports: each process of a server, and each command, pays for it."""

import subprocess
import sys

import pytest

from tests.peers import REGISTRATION_KEY

LOADED = "import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        ("tiflis.server", {"pydantic_settings", "qrcode", "hypothesis"}),
        ("tiflis.cli", {"sanic", "nats", "uvloop", "pydantic_settings"}),
    ],
)
def test_a_start_loads_no_package_that_it_does_not_use(module: str, needless: set[str]) -> None:
    env = {"TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY, "WEB_CLIENT_PATH": "off"}
    code = LOADED.format(module=module)
    loaded = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert not needless & set(loaded.stdout.split())
