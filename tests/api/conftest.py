"""Fixtures for the servers of the API tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def client_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a web client of one page."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "index.html").write_text("<!doctype html><title>client</title>")
    return folder
