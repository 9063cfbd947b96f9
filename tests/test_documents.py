"""What the documents say: their links lead somewhere, their commands are run by a test or said why not."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.harness import ROOT
from tiflis import __version__
from tiflis.bus.channels import packets
from tiflis.cli import leaves, parser
from tiflis.config import Settings, variable
from tiflis.metrics import CATALOGUE, PREFIX
from tiflis.protocol import errors

PLACES = ("*.md", "docs/**/*.md", "deploy/**/*.md", "workstation/*.md")
PAGES = sorted(str(path.relative_to(ROOT)) for place in PLACES for path in ROOT.glob(place))
# Files that print commands in comments.
CONFIGURATION = sorted(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "docker-compose.yml",
        ROOT / "Makefile",
        ROOT / "Dockerfile",
        *ROOT.glob("deploy/**/*"),
    )
    if path.is_file() and path.suffix != ".json"
)
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
    "tiflis-workstation": "tests/commands/test_demo.py",
    "tiflis devices": "tests/system/test_device_commands.py",
    "tiflis audit": "tests/system/test_device_commands.py",
    "curl": "tests/api/test_openapi.py",
    "export": "tests/deploy/test_files.py",
    "docker": NO_ENGINE,
    "touch .env && chmod 600 .env": "tests/test_walkthrough.py",
    "echo TUNNEL_REGISTRATION_API_KEY=": "tests/test_walkthrough.py",
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
    "umask 077 && tar": NO_INSTALL,
    "make run": "tests/test_scripts.py",
    "make demo": "tests/system/test_demo.py",
    "make simulation": "tests/simulation/test_story.py",
    "python -m tools.simulation": "tests/simulation/test_story.py",
    "python -m tools.staying": "tests/system/test_staying_measured.py",
    "pip install .": "tests/deploy/test_image.py",
    "TRUST_PROXY=unix tiflis serve": "tests/system/test_unix_socket.py",
    "ln -s": NO_INSTALL,
}


# The language of a fenced block: the test that reads it.
LANGUAGES = {
    "": "tests/test_documents.py",
    "sh": "tests/test_documents.py",
    "json": "tests/test_documents.py",
    "yaml": "tests/test_documents.py",
    "python": "tests/system/test_examples.py",
    "javascript": "tests/system/test_examples.py",
    "nginx": "tests/system/test_fronts.py",
}

# What JetStream keeps for us.
STREAMS = {"tiflis_tunnels", "tiflis_watches", "tiflis_held", "tiflis_push", "tiflis_devices", "tiflis_audit"}


def commands(page: str) -> list[str]:
    """Return every command line in the page's blocks for a shell; pictures begin otherwise."""
    text = (ROOT / page).read_text()
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fenced if language in ("", "sh")]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(?:[A-Z_]+=\S* )*[a-z/][\w./-]* ", line + " ")]


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


def test_every_start_of_a_command_is_still_in_a_document() -> None:
    lines = [line for page in PAGES for line in commands(page)]
    assert [start for start in COMMANDS if not any(line.startswith(start) for line in lines)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_a_test_reads(page: str) -> None:
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert {language for language, _ in fenced} <= set(LANGUAGES)
    for language, block in fenced:
        if language == "yaml":
            assert yaml.safe_load(block)
    assert all((ROOT / test).exists() for test in LANGUAGES.values())


def options() -> dict[str, set[str]]:
    """Return the options of each command, such as those of `status` and of `end tunnel`."""
    own = {leaf.prog.removeprefix("tiflis "): set(leaf._option_string_actions) for leaf in leaves(parser())}
    for name in {name.split()[0] for name in own}:
        own.setdefault(name, set().union(*(found for leaf, found in own.items() if leaf.startswith(name))))
    return own | {"": {"--version", "--help"}}


@pytest.mark.parametrize("page", [*PAGES, *CONFIGURATION])
def test_commands_options_targets_and_modules_that_are_named_exist(page: str) -> None:
    """In blocks, in the text and in comments alike."""
    text = (ROOT / page).read_text()
    known = options()
    for command, rest in re.findall(r"(?<![\w.:/@-])tiflis ([a-z]+)((?: [^\s`|)]+)*)", text):
        if f"`tiflis {command}" in text or re.search(rf"^\W*(?:sudo )?tiflis {command}", text, re.MULTILINE):
            assert command in known, f"tiflis {command}"
            named = re.findall(r" (--[a-z][a-z-]*)", rest.split(",")[0].split(";")[0])
            assert set(named) <= known[command], f"tiflis {command} {rest}"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    for module in re.findall(r"python -m (tools[\w.]*\w)", text):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("text", [*PAGES, *CONFIGURATION, "tiflis/cli.py"])
def test_no_command_wipes_a_file_of_settings_or_leaves_a_new_one_open_to_others(text: str) -> None:
    lines = [line for line in (ROOT / text).read_text().splitlines() if re.search(r"> *[\w/.]*\.env\b", line)]
    assert [line for line in lines if ">>" not in line or "keygen" in line] == []
    if lines:
        assert "chmod 600 .env" in (ROOT / text).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    named = re.findall(
        r"`((?:deploy|docs|scripts|tests|tools|public|tiflis|workstation)/[\w./-]*)`",
        (ROOT / page).read_text(),
    )
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
    assert set(named) <= settings | {"BIND", "SUBNET", "PRIVATE_ADDRESS", "INVALID_AUTH_KEY"}
