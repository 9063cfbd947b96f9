"""The scripts behind the Makefile's targets, and what the documents claim."""

import importlib.util
import re
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tiflis.config import KEY_LENGTH, load

ROOT = Path(__file__).resolve().parent.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("TUNNEL_REGISTRATION_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_run_makes_a_key_that_only_its_owner_can_read(folder: Path) -> None:
    assert script("run").ensure_key(folder)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    (key,) = load().registration_keys
    assert len(key.get_secret_value()) >= KEY_LENGTH


def test_a_key_that_is_there_is_kept_and_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env.local").write_text(f"TUNNEL_REGISTRATION_API_KEY={'k' * 40}\n")
    assert not script("run").ensure_key(folder)
    assert not (folder / ".env").exists()
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", "e" * 40)
    (folder / ".env.local").unlink()
    assert not script("run").ensure_key(folder)
    monkeypatch.delenv("TUNNEL_REGISTRATION_API_KEY")
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY_FILE", "/run/secrets/key")
    assert not script("run").ensure_key(folder)


def test_the_rest_of_env_survives_a_new_key(folder: Path) -> None:
    (folder / ".env").write_text("PORT=4000")
    assert script("run").ensure_key(folder)
    settings = load()
    assert (settings.port, len(settings.registration_keys)) == (4000, 1)


def test_the_page_on_configuration_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == script("configuration").page()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_the_documents_name_commands_and_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_a_release_without_its_section_in_the_changelog_is_not_built() -> None:
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "release.sh"), "99.0.0"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "release: CHANGELOG.md has no section 99.0.0\n")


def test_the_workflows_run_what_the_repository_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in ROOT.glob(".github/workflows/*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        for run in (step["run"] for job in jobs for step in job["steps"] if "run" in step):
            command, _, rest = run.partition(" ")
            assert command != "make" or rest in targets, run
            assert all((ROOT / name).exists() for name in re.findall(r"scripts/\S+|\.ci/\S+", run)), run
