"""The canned answers: a scene is chosen by the words of a message and says what the agent will do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tiflis_workstation import texts
from tiflis_workstation.blocks import button
from tiflis_workstation.performance import Buttons, Code, Note, Pause, Say, Speak, Step, Think, Tool


@dataclass(frozen=True, slots=True)
class Scene:
    """`words` select it; `steps` builds it from what the user wrote."""

    name: str
    words: tuple[str, ...]
    about: str
    steps: Callable[[str], list[Step]]
    crashes: bool = False
    """The agent's process dies after it: besides the answer there is a `session.error`."""


def _hello(prompt: str) -> list[Step]:
    return [Say(texts.HELLO), _try_these()]


def _code(prompt: str) -> list[Step]:
    return [
        Say("A small function first, then how to call it:"),
        Code("python", texts.PYTHON),
        Say("And the same on the command line:"),
        Code("bash", texts.BASH),
    ]


def _tool(prompt: str) -> list[Step]:
    return [
        Say("Let me look at the project."),
        Tool("Read", {"file_path": "src/app.py"}, {"lines": 42, "content": texts.PYTHON}),
        Tool("Bash", {"command": "make test"}, {"exit_code": 1, "stderr": "1 test failed"}, 1.4, "failed"),
        Say("One test fails. The bound is off by one."),
        Tool("Edit", {"file_path": "src/app.py", "old": "range(n)", "new": "range(n + 1)"}, {"changed": 1}),
        Tool("Bash", {"command": "make test"}, {"exit_code": 0, "stdout": "12 passed"}, 1.4),
        Say("All **12 tests** pass now."),
    ]


def _table(prompt: str) -> list[Step]:
    return [Say(texts.TABLE)]


def _think(prompt: str) -> list[Step]:
    return [Think(texts.THOUGHTS), Say("Short answer: **yes**, with a bounded queue on each side.")]


def _long(prompt: str) -> list[Step]:
    return [Say(texts.LONG)]


def _error(prompt: str) -> list[Step]:
    return [
        Say("Trying to reach the model…"),
        Tool("WebFetch", {"url": "https://example.com/data.json"}, {"error": "timed out"}, 0.6, "failed"),
        Note(
            "error",
            "The agent stopped: the model did not answer in time.",
            (("error_code", "AGENT_TIMEOUT"),),
        ),
    ]


def _crash(prompt: str) -> list[Step]:
    return [Say("This is the last thing I"), Note("error", "The agent's process has ended unexpectedly.")]


def _buttons(prompt: str) -> list[Step]:
    row = (
        button("yes", "Run the tests", "send:tool: run the tests", "primary", "play"),
        button("docs", "Open the page", "url:https://example.com/", "secondary", "link"),
        button("claude", "New Claude session", "session:claude", "secondary", "plus"),
        button("shell", "New terminal", "session:terminal"),
        button("drop", "Forget it", "send:cancel that", "destructive", "trash"),
    )
    return [Say("What should happen next?"), Buttons(row)]


def _voice(prompt: str) -> list[Step]:
    return [Say("I say it aloud as well."), Speak("I say it aloud as well, so listen to the melody.")]


def _slow(prompt: str) -> list[Step]:
    steps: list[Step] = [Note("status", "Working, this takes about 20 seconds. Stop me at any time.")]
    for part in range(1, 11):
        steps += [Pause(2.0), Say(f"Part {part} of 10 is done.")]
    return steps


def _status(prompt: str) -> list[Step]:
    return [
        Note("status", "Connecting to the agent…"),
        Pause(0.6),
        Note("status", "Reading 128 files…"),
        Pause(0.8),
        Say("Ready. The index holds **128 files**."),
    ]


def _unknown(prompt: str) -> list[Step]:
    return [
        Note("hologram", "A block type from the future, shown as plain text.", (("depth", 3),)),
        Say("The block above has a type that no client knows."),
    ]


def _hostile(prompt: str) -> list[Step]:
    return [Say(texts.HOSTILE), Code("html", texts.HOSTILE), Note("status", texts.HOSTILE)]


def _mixed(prompt: str) -> list[Step]:
    quoted = " ".join(prompt.split())[:200] or "nothing"
    return [
        Think("The user wants to see what this can do. A bit of everything, then."),
        Say(f"You said: *{_escaped(quoted)}*\n\n{texts.MIXED}"),
        Tool("Grep", {"pattern": "def main", "path": "src"}, {"matches": ["src/app.py:12"]}),
        Code("python", texts.PYTHON),
        Say(texts.CLOSING),
        _try_these(),
    ]


def _try_these() -> Buttons:
    words = ("code", "tool", "table", "think", "long", "voice")
    return Buttons(tuple(button(word, word.capitalize(), f"send:{word}") for word in words))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


SCENES = (
    Scene("hello", ("hello", "hi", "help"), "a greeting and quick replies", _hello),
    Scene("code", ("code", "function"), "code blocks, line by line", _code),
    Scene("tool", ("tool", "tools", "test", "tests"), "tool calls: running, completed, failed", _tool),
    Scene("table", ("table", "markdown"), "a table, lists, a quotation, links", _table),
    Scene("think", ("think", "why"), "reasoning, then a short answer", _think),
    Scene("long", ("long", "essay"), "about 120 snapshots of prose", _long),
    Scene("error", ("error", "fail"), "a failed tool and an error block", _error),
    Scene("crash", ("crash",), "the agent dies: an error block and session.error", _crash, crashes=True),
    Scene("buttons", ("buttons", "button", "choose"), "action buttons: send, url, session", _buttons),
    Scene("voice", ("voice", "speak", "say"), "a spoken answer (a WAV melody)", _voice),
    Scene("slow", ("slow", "wait"), "20 seconds of work, to be stopped", _slow),
    Scene("status", ("status", "progress"), "status blocks", _status),
    Scene("unknown", ("unknown", "future"), "a block type that no client knows", _unknown),
    Scene("hostile", ("hostile", "script"), "markup and script as text, which must not run", _hostile),
)
MIXED = Scene("mixed", (), "anything else: a bit of everything", _mixed)


def choose(prompt: str) -> Scene:
    """Return the scene of the first word of the message that names one."""
    by_word = {word: scene for scene in SCENES for word in scene.words}
    for word in re.findall(r"[a-z]+", prompt.lower()):
        if word in by_word:
            return by_word[word]
    return MIXED


def guide() -> str:
    """Return one line per scene, for --help."""
    rows = [f"  {' '.join(scene.words):<24}{scene.about}" for scene in SCENES]
    return "\n".join([*rows, f"  {'(other words)':<24}{MIXED.about}"])
