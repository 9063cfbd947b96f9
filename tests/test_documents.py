"""What the documents say: their links lead somewhere, their commands are run by a test or said why not."""

from __future__ import annotations

import json
import re

import pytest

from tests.harness import ROOT
from tiflis import __version__
from tiflis.bus.channels import packets
from tiflis.config import Settings, variable
from tiflis.metrics import CATALOGUE, PREFIX
from tiflis.protocol import errors

PAGES = ["README.md", "CONTRIBUTING.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))
NO_ENGINE = "needs a Docker engine; tests/test_walkthrough.py has Compose read the files"
NO_SYSTEMD = "needs systemd as the first process; tests/deploy has systemd-analyze verify the unit"
NO_ACCOUNT = "needs an account with its provider"
NO_INSTALL = "changes the machine"

# The beginning of each command in the documents: the test that runs it, or why none does.
COMMANDS = {
    "tiflis doctor": "tests/system/test_doctor.py",
    "tiflis keygen --write": "tests/commands/test_cli.py",
    "tiflis serve": "tests/system/test_serve.py",
    "tiflis check": "tests/test_walkthrough.py",
    "tiflis status": "tests/test_walkthrough.py",
    "tiflis reload": "tests/test_walkthrough.py",
    "tiflis demo": "tests/system/test_demo.py",
    "tiflis devices": "tests/system/test_device_commands.py",
    "tiflis audit": "tests/system/test_device_commands.py",
    "curl": "tests/api/test_openapi.py",
    "export": "tests/deploy/test_files.py",
    "docker": NO_ENGINE,
    "echo TUNNEL_REGISTRATION_API_KEY=": "tests/deploy/test_compose.py",
    "caddy": "tests/system/test_fronts.py",
    "haproxy -c": "tests/system/test_fronts.py",
    "kubectl": "needs a cluster; tests/deploy/test_kubernetes.py checks the files by their schemas",
    "cloudflared": NO_ACCOUNT,
    "tailscale": NO_ACCOUNT,
    "sh deploy/roll.sh": "tests/deploy/test_roll.py",
    "nginx -t": "tests/deploy/test_files.py",
    "nginx -s reload": "tests/system/test_nginx.py",
    "pip wheel": "tests/deploy/test_image.py",
    "python3 -m venv": "tests/deploy/test_image.py",
    "/opt/tiflis/bin/pip install": "tests/deploy/test_image.py",
    "/opt/tiflis-0.2/bin/tiflis takeover": "tests/system/test_takeover.py",
    "sh deploy/several-hosts/certificates.sh": "tests/deploy/test_files.py",
    "install": NO_INSTALL,
    "systemctl": NO_SYSTEMD,
    "journalctl": NO_SYSTEMD,
    "tar": NO_INSTALL,
    "make run": "tests/test_scripts.py",
    "make demo": "tests/system/test_demo.py",
    "make simulation": "tests/simulation/test_story.py",
    "python -m tools.simulation": "tests/simulation/test_story.py",
    "python -m tools.staying": "tests/system/test_staying_measured.py",
    "make test": "it is what runs this",
    "pip install .": "tests/deploy/test_image.py",
    "TRUST_PROXY=unix tiflis serve": "tests/system/test_unix_socket.py",
    "ln -s": NO_INSTALL,
}


# What JetStream keeps for us.
STREAMS = {"tiflis_tunnels", "tiflis_watches", "tiflis_held", "tiflis_push", "tiflis_devices", "tiflis_audit"}


def commands(page: str) -> list[str]:
    """Every command line in the page's blocks for a shell; pictures begin otherwise."""
    text = (ROOT / page).read_text()
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fenced if language in ("", "sh")]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"[a-z/][\w./-]* ", line + " ")]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page in PAGES for command in commands(page)],
)
def test_every_command_is_run_by_a_test_or_said_why_not(page: str, command: str) -> None:
    known = [start for start in COMMANDS if command.startswith(start)]
    assert known, f"{page}: {command}"
    why = COMMANDS[known[0]]
    assert " " in why or (ROOT / why).exists(), f"{why} is not there"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    named = re.findall(r"`((?:deploy|docs|tests|public|tiflis)/[\w./-]*)`", (ROOT / page).read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_metrics_that_are_named_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"\btiflis_\w+", (ROOT / page).read_text())}
    known = {PREFIX + name for name in CATALOGUE}
    assert named - STREAMS <= known


def test_error_codes_are_all_explained() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()

    def below(kind: type[errors.TunnelError]) -> set[str]:
        return {kind.code, kind.http_error}.union(*(below(one) for one in kind.__subclasses__()))

    unexplained = {code for code in below(errors.TunnelError) if code not in text}
    assert unexplained <= {"internal_error", "invalid_api_key"}


def test_examples_of_messages_are_json() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    for block in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            assert isinstance(json.loads(line)["type"], str)


def test_the_page_on_upgrades_agrees_with_the_code() -> None:
    text = (ROOT / "docs" / "upgrading.md").read_text()
    assert f"format number, now **{packets.VERSION}**" in text
    assert f"\n## {__version__}" in text
    (gone,) = re.findall(r"^\| (.*) \| gone; ignored if set \|$", text, re.MULTILINE)
    settings = {variable(field) for field in Settings.model_fields}
    assert not settings & set(re.findall(r"\w+", gone))
    named = re.findall(r"`([A-Z]+_[A-Z_]+|STAY|BIND|SUBNET)(?:=[^`]*)?`", text.replace(gone, ""))
    assert set(named) <= settings | {"BIND", "SUBNET", "INVALID_AUTH_KEY"}
