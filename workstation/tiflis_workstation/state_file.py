"""The workstation's memory between two runs: tunnel id and auth key, in a file only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Remembered:
    """One tunnel of one server."""

    tunnel_id: str = ""
    auth_key: str = ""


class StateFile:
    """Remembers per server URL; an unreadable or damaged file is a first start, not a failure."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, url: str) -> Remembered:
        entry = self._read().get(url)
        if not isinstance(entry, dict):
            return Remembered()
        tunnel_id, auth_key = entry.get("tunnel_id"), entry.get("auth_key")
        return Remembered(
            tunnel_id if isinstance(tunnel_id, str) else "", auth_key if isinstance(auth_key, str) else ""
        )

    def save(self, url: str, remembered: Remembered) -> None:
        self._write({**self._read(), url: asdict(remembered)})

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, state: dict[str, object]) -> None:
        """Written aside and renamed: a crash leaves the old file. `mkstemp` makes it 0600 from the start."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state, file, indent=2)
        os.chmod(aside, PRIVATE)
        os.replace(aside, self.path)
