"""Files of a build's folder: paths, types, encodings, and which are not served."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.web import static_files
from tiflis.web.static_files import (
    IMMUTABLE,
    REVALIDATE,
    BuildTooLarge,
    SinglePage,
    is_hashed,
    make_file,
    read_folder,
)

SCRIPT = b"let x = 1; " * 1000


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text('<html><head><script src="./assets/app.js"></script></head></html>')
    (folder / "assets" / "app-Ab3dEf9z.js").write_bytes(SCRIPT)
    (folder / "assets" / "done-Ab3dEf9z.js").write_bytes(SCRIPT)
    (folder / "assets" / "done-Ab3dEf9z.js.br").write_bytes(b"brotli")
    (folder / "assets" / "done-Ab3dEf9z.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "icon.png").write_bytes(b"\x89PNG")
    (folder / "download.gz").write_bytes(b"a file of its own")
    (folder / ".env").write_text("SECRET=1")
    (folder / ".vite").mkdir()
    (folder / ".vite" / "manifest.json").write_text("{}")
    return folder


def test_a_folder_becomes_its_visible_files_by_path(build: Path) -> None:
    names = {"index.html", "icon.png", "download.gz", "assets/app-Ab3dEf9z.js", "assets/done-Ab3dEf9z.js"}
    assert read_folder(build).keys() == names


def test_links_that_lead_out_are_not_followed(build: Path) -> None:
    (build.parent / "secret.txt").write_text("secret")
    (build / "out.txt").symlink_to(build.parent / "secret.txt")
    (build / "out").symlink_to(build.parent)
    (build / "broken.txt").symlink_to(build / "nothing")
    (build / "inside.png").symlink_to(build / "icon.png")
    files = read_folder(build)
    assert "inside.png" in files
    assert not [name for name in files if name.startswith(("out", "broken"))]


def test_encodings_come_from_the_build_or_are_made(build: Path) -> None:
    files = read_folder(build)
    assert files["assets/done-Ab3dEf9z.js"].encoded["br"] == b"brotli"
    assert list(files["assets/done-Ab3dEf9z.js"].encoded) == ["br", "gzip"]
    assert gzip.decompress(files["assets/app-Ab3dEf9z.js"].encoded["gzip"]) == SCRIPT
    assert files["icon.png"].encoded == {}


def test_nothing_is_compressed_before_it_is_asked_for(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(static_files, "gzip")
        file = read_folder(build)["assets/app-Ab3dEf9z.js"]
    assert file.choose("gzip")[0] == "gzip"
    monkeypatch.delattr(static_files, "gzip")
    assert gzip.decompress(file.choose("gzip")[1]) == SCRIPT, "compressed once"


def test_a_build_with_brotli_alone_still_serves_gzip(build: Path) -> None:
    (build / "assets" / "done-Ab3dEf9z.js.gz").unlink()
    file = read_folder(build)["assets/done-Ab3dEf9z.js"]
    assert file.choose("gzip, deflate, br") == ("br", b"brotli")
    coding, body = file.choose("gzip, deflate")
    assert (coding, gzip.decompress(body)) == ("gzip", SCRIPT)


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip, deflate, br", "br"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.0,gzip; q = 0", ""),
        ("br ; q=1", "br"),
    ],
)
def test_the_best_encoding_that_is_accepted_is_sent(build: Path, header: str, coding: str) -> None:
    assert read_folder(build)["assets/done-Ab3dEf9z.js"].choose(header)[0] == coding


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("assets/app-Ab3dEf9z.js", True),
        ("assets/index.DiwrgTda.css", True),
        ("static/js/main.8c1f2e3d.chunk.js", True),
        ("assets/app-Ab3dEf9z.js.map", True),
        ("index.html", False),
        ("sw.js", False),
        ("assets/settings.js", False),
        ("icon-Ab3dEf9z.png", False),
        ("manifest.webmanifest", False),
    ],
)
def test_only_names_that_change_with_the_content_are_kept_for_ever(name: str, kept: bool) -> None:
    assert is_hashed(name) == kept
    assert make_file(b"", name).cache == (IMMUTABLE if kept else REVALIDATE)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/icon.png", "icon.png"),
        ("/%69con.png", "icon.png"),
        ("/sessions", "index.html"),
        ("/missing.js", None),
        ("/assets/missing.js", None),
        ("/.env", None),
        ("/.vite/manifest.json", None),
        ("/../secret", None),
        ("/%2e%2e/secret", None),
        ("/assets/..%2f..%2fsecret", None),
        ("/a/./b", None),
        ("/sessions%00", None),
        ("/x" * 100, None),
    ],
)
def test_a_path_is_a_file_or_the_page_or_nothing(build: Path, path: str, found: str | None) -> None:
    files = read_folder(build)
    assert SinglePage(files).find(path) is (files[found] if found else None)


def test_the_page_at_a_deep_path_still_finds_its_assets(build: Path) -> None:
    site = SinglePage(read_folder(build))
    deep = site.find("/sessions/7/")
    assert deep is not None
    assert b'<head><base href="../../">' in deep.body
    assert site.find("/sessions/7/") is deep


def test_a_page_with_a_base_of_its_own_is_left_alone() -> None:
    page = make_file(b'<head><base href="/app/"></head>', "index.html")
    assert SinglePage({"index.html": page}).find("/a/b") is page


@given(st.text(max_size=60))
def test_any_path_can_be_asked_for(path: str) -> None:
    SinglePage({"index.html": make_file(b"<head></head>", "index.html")}).find(path)


def test_a_folder_that_is_no_build_is_refused(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_files, "TOTAL_LIMIT", 1000)
    with pytest.raises(BuildTooLarge):
        read_folder(build)
