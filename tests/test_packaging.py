"""What is installed and released: locked versions, and one version number."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = PROJECT["dependencies"]


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock file names, by package."""
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("runtime.txt", RUNTIME), ("dev.txt", RUNTIME + PROJECT["optional-dependencies"]["dev"])],
)
def test_every_dependency_is_locked_at_a_version_that_fits(lock: str, wanted: list[str]) -> None:
    versions = locked(lock)
    for requirement in map(Requirement, wanted):
        assert requirement.name in versions, f"{requirement.name}: run make lock"
        assert requirement.specifier.contains(versions[requirement.name]), f"{requirement}: run make lock"


def test_every_locked_package_has_a_hash() -> None:
    for lock in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / lock).read_text()
        entries = re.split(r"\n(?=[\w.-]+==)", text)
        assert all("--hash=sha256:" in entry for entry in entries)


def test_both_locks_agree() -> None:
    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    assert {name: dev[name] for name in runtime} == runtime


def test_the_changelog_ends_with_the_version_or_with_what_is_to_come() -> None:
    headings = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in ("Unreleased", PROJECT["version"])
