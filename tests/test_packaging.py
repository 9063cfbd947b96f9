"""What is installed and released: locked versions, and one version number."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tiflis import __version__, release

ROOT = Path(__file__).resolve().parent.parent
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = DECLARED["project"]
RUNTIME = PROJECT["dependencies"]
NO_HOOK = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class Nothing(BuildHookInterface): ...
"""


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock file names, by package."""
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("runtime.txt", RUNTIME),
        ("dev.txt", RUNTIME + PROJECT["optional-dependencies"]["dev"]),
        ("docs.txt", DECLARED["dependency-groups"]["docs"]),
    ],
)
def test_every_dependency_is_locked_at_a_version_that_fits(lock: str, wanted: list[str]) -> None:
    versions = locked(lock)
    for requirement in map(Requirement, wanted):
        assert requirement.name in versions, f"{requirement.name}: run make lock"
        assert requirement.specifier.contains(versions[requirement.name]), f"{requirement}: run make lock"


def test_every_locked_package_has_a_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        entries = re.split(r"\n(?=[\w.-]+==)", text)
        assert all("--hash=sha256:" in entry for entry in entries)


def test_all_locks_agree_because_one_environment_holds_them() -> None:
    locks = [locked(path.name) for path in (ROOT / "requirements").glob("*.txt")]
    versions = {item for lock in locks for item in lock.items()}
    assert len(versions) == len({name for name, _ in versions})


def test_the_changelog_ends_with_the_version_or_with_what_is_to_come() -> None:
    headings = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in ("Unreleased", __version__)


def test_the_installed_version_names_a_commit_of_this_release_or_of_the_next() -> None:
    installed = Version(release.build())
    assert installed.release[:2] >= Version(__version__).release[:2]


def commit(folder: Path, text: str) -> None:
    (folder / "tiflis" / "values.py").write_text(f"# {text}\n")
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    for command in (("add", "-A"), (*who, "commit", "-qm", text)):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


def test_builds_of_two_commits_have_two_versions(tmp_path: Path) -> None:
    (tmp_path / "tiflis").mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    found = []
    for text in ("one", "two"):
        commit(tmp_path, text)
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "version"],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(Version(done.stdout.strip()))
    assert found[0] < found[1]
    assert all(version.local and version.local.startswith("g") for version in found)


@pytest.mark.parametrize("package", [".", "workstation"])
def test_two_builds_of_uncommitted_changes_have_two_versions(tmp_path: Path, package: str) -> None:
    for name in ("tiflis", package):
        (tmp_path / name).mkdir(exist_ok=True)
    shutil.copy(ROOT / package / "pyproject.toml", tmp_path / package)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit(tmp_path, "one")
    (tmp_path / "tiflis" / "values.py").write_text("# changed\n")
    versions = []
    for moment in ("1800000000", "1800000001"):
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "version"],
            cwd=tmp_path / package, env={**os.environ, "SOURCE_DATE_EPOCH": moment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        versions.append(Version(done.stdout.strip()))
    assert versions[0] < versions[1]


@pytest.mark.parametrize("below", ["build", "node_modules", "elsewhere"])
def test_an_sdist_holds_sources_wherever_the_checkout_lies(tmp_path: Path, below: str) -> None:
    """hatchling leaves .gitignore out of account when one of its patterns fits the checkout's own path."""
    folder = tmp_path / below / "source"
    unwanted = (".env", "public/node_modules/x/y.js", "tiflis/__pycache__/z.pyc", ".tiflis/nats/key")
    for name in ("tiflis/__init__.py", "public/dist/index.html", "public/src/a.ts", *unwanted):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "hatch_build.py").write_text(NO_HOOK)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (archive,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as members:
        held = {name.partition("/")[2] for name in members.getnames()}
    assert {"tiflis/__init__.py", "public/dist/index.html", "public/src/a.ts"} <= held
    assert not held & set(unwanted)
