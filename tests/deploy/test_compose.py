"""Compose reads the files in an empty environment, and the bus beside the server makes its own password."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import ROOT, Server, free_port, wait_until
from tests.patience import WALL_PATIENCE
from tiflis.arbiter.lifecycle import STOP_MARGIN_SECONDS
from tiflis.arbiter.nats_server import find_binary
from tiflis.commands.check import DESCRIPTORS
from tiflis.config import Settings

KEY = "k" * 40
DEFAULT: tuple[str, ...] = ()
EMBEDDED = ("--env-file", ".env", "-f", "deploy/compose.embedded.yml")
HOST = ("-f", "docker-compose.yml", "-f", "deploy/compose.host.yml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of a clone that Compose reads."""
    for name in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path


def compose(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run docker compose with an environment of nothing but this."""
    command = [str(Path(sys.executable).with_name("docker-compose")), *arguments]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **env}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=WALL_PATIENCE, check=False
    )


def services(folder: Path, *options: str, **env: str) -> dict[str, Any]:
    done = compose(folder, *options, "config", **env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


@pytest.mark.parametrize("options", [DEFAULT, EMBEDDED, HOST])
def test_one_variable_is_enough(folder: Path, options: tuple[str, ...]) -> None:
    (folder / ".env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\n")
    server = services(folder, *options)["tiflis"]
    assert server["environment"]["TUNNEL_REGISTRATION_API_KEY"] == KEY
    assert Path(server["build"]["context"]) == folder
    assert (folder / server["build"]["dockerfile"]).is_file()


def test_without_the_sidecar_there_is_no_bus_and_no_variable_of_one(folder: Path) -> None:
    found = services(folder, *EMBEDDED[2:], TUNNEL_REGISTRATION_API_KEY=KEY)
    assert set(found) == {"net", "tiflis"}
    assert "NATS" not in (folder / "deploy" / "compose.embedded.yml").read_text()


@pytest.mark.parametrize("options", [DEFAULT, EMBEDDED])
def test_a_missing_key_is_named_with_how_to_make_one(folder: Path, options: tuple[str, ...]) -> None:
    (folder / ".env").touch()
    done = compose(folder, *options, "config")
    assert done.returncode != 0
    assert "TUNNEL_REGISTRATION_API_KEY is missing a value: make one with openssl rand" in done.stderr


@pytest.mark.parametrize("options", [DEFAULT, EMBEDDED])
def test_every_setting_of_the_env_file_reaches_the_server(folder: Path, options: tuple[str, ...]) -> None:
    settings = {"METRICS_PORT": "9464", "WS_PATH": "/x", "TRUST_PROXY": "10.0.0.0/8", "MESSAGE_LIMIT": "9MB"}
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    (folder / ".env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\nPORT=4000\n{''.join(lines)}")
    found = services(folder, *options)
    assert settings.items() <= found["tiflis"]["environment"].items()
    assert found["tiflis"]["environment"]["PORT"] == "3001", "that of the container stays"
    (port,) = found["net"]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "4000", 3001)


def test_only_what_is_needed_is_published(folder: Path) -> None:
    plain = services(folder, TUNNEL_REGISTRATION_API_KEY=KEY)
    assert [name for name, service in plain.items() if "ports" in service] == ["net"]
    everywhere = services(folder, TUNNEL_REGISTRATION_API_KEY=KEY, BIND="0.0.0.0")
    assert everywhere["net"]["ports"][0]["host_ip"] == "0.0.0.0"
    assert "traefik" in services(folder, "--profile", "traefik", TUNNEL_REGISTRATION_API_KEY=KEY)


SEVERAL = ("-f", "deploy/several-hosts/docker-compose.yml")
OF_A_NODE = {"HOST_NAME": "c", "PRIVATE_ADDRESS": "10.0.0.3", "CLUSTER_PASSWORD": "c", "NATS_TOKEN": "n"}


def test_a_host_with_the_bus_alone_needs_no_variable_of_the_server(folder: Path) -> None:
    assert set(services(folder, *SEVERAL, **OF_A_NODE)) == {"nats"}


def test_of_several_hosts_each_server_has_all_settings_and_one_address(folder: Path) -> None:
    own = f"TUNNEL_REGISTRATION_API_KEY={KEY}\nWS_PATH=/x\nTRUST_PROXY=10.0.0.9\n"
    (folder / "deploy" / "several-hosts" / ".env").write_text(own)
    exported = {"PUBLIC_BASE_URL": "https://tunnel.example.org"}
    server = services(folder, *SEVERAL, "--profile", "server", **OF_A_NODE, **exported)["tiflis"]
    wanted = {"TUNNEL_REGISTRATION_API_KEY": KEY, "WS_PATH": "/x", "TRUST_PROXY": "10.0.0.9", **exported}
    assert wanted.items() <= server["environment"].items()
    assert server["environment"]["HOST"] == "10.0.0.3", "not on the host's public networks"


COMPOSE_FILES = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy").rglob("*compose*.yml"))]
SERVICES = [
    pytest.param(service, id=f"{path.parent.name}/{path.name}: {name}")
    for path in COMPOSE_FILES
    if path.name != "compose.host.yml"  # it changes services of another file
    for name, service in yaml.safe_load(path.read_text())["services"].items()
]


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_has_few_rights_restarts_and_leaves_room_on_the_disk(service: dict[str, Any]) -> None:
    assert (service["read_only"], service["cap_drop"], service["restart"]) == (
        True,
        ["ALL"],
        "unless-stopped",
    )
    assert service["security_opt"] == ["no-new-privileges:true"]
    silent = "pause:" in service["image"]
    assert silent or set(service["logging"]["options"]) == {"max-size", "max-file"}
    if service["image"] == "tiflis":
        end = Settings.model_fields["shutdown_timeout"].default + STOP_MARGIN_SECONDS
        assert float(service["stop_grace_period"].removesuffix("s")) > 2 * end
        assert service["ulimits"]["nofile"] >= DESCRIPTORS


# The sidecar


@contextmanager
def sidecar(folder: Path, port: int, **env: str) -> Iterator[None]:
    """Run deploy/nats/start.sh with the container's paths below this folder, until the bus listens."""
    for name in ("bus", "etc/nats", "bin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    binary = folder / "bin" / "nats-server"
    if not binary.exists():
        binary.symlink_to(find_binary())
    conf = (ROOT / "deploy" / "nats" / "nats.conf").read_text()
    conf = conf.replace("0.0.0.0:4222", f"127.0.0.1:{port}").replace("/data", str(folder / "data"))
    (folder / "etc" / "nats" / "nats.conf").write_text(conf)
    script = (ROOT / "deploy" / "nats" / "start.sh").read_text()
    script = re.sub(r"(?<![\w.])/(bus|etc/nats)/", rf"{folder}/\1/", script)
    script = script.replace(":4222", f":{port}").replace("-m 8222", "")
    log = (folder / "bus.log").open("w")
    env = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "BUS_HOST": "127.0.0.1", **env}
    process = subprocess.Popen(["sh", "-c", script], env=env, stdout=log, stderr=log)
    try:
        wait_until(lambda: "Server is ready" in (folder / "bus.log").read_text(), 20, "the bus is ready")
        yield
    finally:
        process.terminate()
        process.wait(WALL_PATIENCE)
        log.close()


def test_the_sidecar_makes_a_password_once_and_the_server_finds_it(tmp_path: Path) -> None:
    port, url = free_port(), tmp_path / "bus" / "url"
    with sidecar(tmp_path, port):
        first = url.read_text()
        assert re.fullmatch(rf"nats://tiflis:t[0-9a-f]{{48}}@127\.0\.0\.1:{port}\n", first)
        assert (tmp_path / "bus" / "token").stat().st_mode & 0o777 == 0o600
        with Server(workers=1, env={"NATS_URL_FILE": str(url)}) as server:
            assert server.nats_pid() is None, "it has no bus of its own"
            assert first.partition("tiflis:")[2][:49] not in server.logs()
    with sidecar(tmp_path, port):
        assert url.read_text() == first


def test_a_password_that_is_given_is_taken(tmp_path: Path) -> None:
    with sidecar(tmp_path, free_port(), NATS_TOKEN="a1b2c3"):
        assert "tiflis:a1b2c3@" in (tmp_path / "bus" / "url").read_text()
        assert not (tmp_path / "bus" / "token").exists()
