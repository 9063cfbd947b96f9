"""Commands find the running server by themselves, in a shell that has none of the server's settings."""

from __future__ import annotations

import os
import socket
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Server
from tests.tool import bare
from tiflis.cli import parser
from tiflis.commands import running, takeover
from tiflis.environment import ConfigError
from tiflis.ipc.control_client import SOCKET_NAME, NoServer
from tiflis.ipc.run_folder import RunFolder, described, socket_address


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server(workers=1)
    one.data_dir = one.folder / ".tiflis"
    with one:
        yield one


@pytest.mark.parametrize(
    ("command", "code", "shown"),
    [
        (("status",), 0, "main process"),
        (("end", "tunnel", "nobody"), 1, "0 ended"),
        (("reload",), 0, "yes"),
    ],
)
def test_beside_the_server_no_setting_and_no_key_is_needed(
    server: Server, command: tuple[str, ...], code: int, shown: str
) -> None:
    found = bare(server.folder, *command)
    assert (found[0], shown in found[1]) == (code, True), found[1]


def test_a_file_of_settings_leads_to_its_server(server: Server, tmp_path: Path) -> None:
    settings = tmp_path / "tiflis.env"
    settings.write_text(f"DATA_DIR={server.data_dir}\nPORT={server.port}\n")
    assert bare(tmp_path, "status", "--env-file", "tiflis.env")[0] == 0
    assert bare(tmp_path, "status")[0] == running.NO_SERVER


# Fakes from here on: a socket that is listened on counts as a server.


@pytest.fixture
def serve() -> Iterator[object]:
    sockets = []

    def at(data_dir: Path, port: int | Path) -> Path:
        folder = RunFolder(data_dir, port).path
        folder.mkdir(parents=True)
        sockets.append(socket.socket(socket.AF_UNIX))
        with socket_address(folder / SOCKET_NAME) as address:
            sockets[-1].bind(address)
        sockets[-1].listen()
        return folder

    yield at
    for one in sockets:
        one.close()


def meant(**given: object) -> Path:
    return running.run_folder(Namespace(**{"data_dir": None, "port": None, "unix": None, **given}))


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    for name in ("DATA_DIR", "PORT", "TIFLIS_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / "here", tmp_path / "there"]
    monkeypatch.setattr(running, "USUAL", folders)
    return folders


def test_the_only_server_in_a_usual_place_is_taken(usual: list[Path], serve: object) -> None:
    assert callable(serve)
    folder = serve(usual[1], 3555)
    assert meant() == folder
    with pytest.raises(NoServer, match="no server answers"):
        meant(port=1)


def test_of_several_servers_the_one_on_the_usual_port_is_taken_or_all_are_listed(
    usual: list[Path], serve: object
) -> None:
    assert callable(serve)
    serve(usual[0], 3555)
    serve(usual[1], 3556)
    with pytest.raises(NoServer, match=f"--data-dir {usual[0]}.*--data-dir {usual[1]}"):
        meant()
    assert meant(port=3556).parent == usual[1]
    folder = serve(usual[1], 3001)
    assert meant() == folder


def test_data_dir_is_the_only_place_when_it_is_set(
    usual: list[Path], serve: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(serve)
    serve(usual[0], 3001)
    monkeypatch.setenv("DATA_DIR", str(usual[1]))
    with pytest.raises(NoServer, match=str(usual[1])):
        meant()


@pytest.mark.parametrize("closed", ["", "run-3001"], ids=["DATA_DIR", "run folder"])
def test_a_folder_that_this_user_may_not_enter_is_named(usual: list[Path], closed: str) -> None:
    for folder in (*usual[0].parents, usual[0].parent):
        if folder.owner() == Path(__file__).owner() and str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    usual[0].mkdir(mode=0o755 if closed else 0)
    (usual[0] / closed).mkdir(mode=0, exist_ok=True)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may enter any folder
    try:
        with pytest.raises(NoServer, match=f"{usual[0] / closed}.* cannot be read by this user, use sudo"):
            meant(port=3001)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("place", [3555, Path("/tmp/x.sock")])
def test_a_takeover_takes_place_and_folder_of_the_server_that_it_finds(
    usual: list[Path], serve: object, monkeypatch: pytest.MonkeyPatch, place: int | Path
) -> None:
    assert callable(serve)
    (serve(usual[1], place) / "place").write_text(described(place))
    became: list[object] = []
    monkeypatch.setenv("TAKEOVER", "")
    monkeypatch.setenv("DATA_DIR", "")
    answer = {"ok": True, "arbiter": {"workers": [{"slot": "0"}, {"slot": "1"}]}}
    monkeypatch.setattr(running, "request", lambda *_: answer)
    monkeypatch.setattr(takeover, "become", lambda *given: became.extend(given))
    arguments = parser().parse_args(["takeover"])
    arguments.run(arguments)
    assert (os.environ["TAKEOVER"], os.environ["DATA_DIR"]) == ("1", str(usual[1]))
    assert became == [2, {"port": "3555"} if place == 3555 else {"unix": "/tmp/x.sock"}]


@pytest.mark.parametrize("text", [b"this is no setting\n", b"\xff\xfe"], ids=["a strange line", "UTF-16"])
def test_the_file_of_another_program_hides_no_server_that_is_named(
    usual: list[Path], serve: Callable[..., Path], tmp_path: Path, text: bytes
) -> None:
    folder = serve(tmp_path / "data", 3002)
    (tmp_path / ".env").write_bytes(text)
    assert meant(data_dir=tmp_path / "data") == folder
    with pytest.raises(ConfigError):
        meant()
