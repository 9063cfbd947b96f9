"""Whatever the wire brings is text: nothing of it runs, nothing leaves the page, nothing breaks it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk, Message
from tests.harness import Server

EVIL = (
    '<img src=x onerror="window.__pwned=1"><script>window.__pwned=1</script>'
    '<svg onload="window.__pwned=1"></svg><iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>'
    "[a](javascript:window.__pwned=1) ![b](https://evil.test/pixel.png) "
    "[c](data:text/html,<script>1</script>) <style>*{display:none}</style>"
    "<base href=https://evil.test/> \u202e\u0000 {{constructor}} ${1}"
)
ODD: tuple[Any, ...] = (None, 7, -1.5, True, [], {}, [None], {"a": {"b": []}}, "", "x" * 20_000)
BLOCKS = (
    "text",
    "code",
    "tool",
    "thinking",
    "status",
    "error",
    "cancel",
    "voice_input",
    "voice_output",
    "action_buttons",
    "hologram",
    "__proto__",
    "constructor",
)


def block(kind: str, value: Any = EVIL) -> Message:
    """A block with this value wherever a text is expected."""
    button = {"id": value, "title": value, "icon": value, "style": value, "action": value}
    script = {**button, "id": "script", "action": "url:javascript:window.__pwned=1"}
    names = ("language", "tool_name", "tool_input", "tool_output", "tool_status", "error_code", "message_id")
    metadata = {name: value for name in names} | {
        "has_audio": True,
        "audio_url": value,
        "audio_base64": value,
        "duration": value,
        "buttons": [button, script, value],
    }
    return {"id": value, "block_type": kind, "content": value, "metadata": metadata}


def output(blocks: Any, value: Any = EVIL, message_id: str = "evil") -> Message:
    return {
        "type": "supervisor.output",
        "sequence": 900,
        "streaming_message_id": message_id,
        "payload": {
            "content_type": "supervisor",
            "content": value,
            "content_blocks": blocks,
            "timestamp": value,
            "is_complete": True,
        },
    }


def session(value: Any) -> Message:
    names = ("session_id", "workspace", "project", "worktree", "working_dir", "agent_alias", "status")
    return {name: value for name in names} | {"session_type": "claude", "created_at": value}


def about_everything(value: Any) -> list[Message]:
    """A message of every type a workstation sends, with this value in every field."""
    payload = {
        "content": value,
        "text": value,
        "transcription": value,
        "message_id": value,
        "from_device_id": value,
        "timestamp": value,
        "audio": value,
        "audio_format": value,
        "error": value,
        "code": value,
        "message": value,
        "session_id": value,
    }
    kinds = (
        "supervisor.user_message",
        "supervisor.transcription",
        "supervisor.voice_output",
        "session.user_message",
        "session.transcription",
        "session.voice_output",
        "session.output",
        "session.error",
        "session.subscribed",
        "session.resized",
        "session.replay.data",
        "history.response",
        "audio.response",
        "message.ack",
        "response",
        "heartbeat.ack",
        "no.such.type",
    )
    whole = [{"type": kind, "id": value, "session_id": value, "payload": payload} for kind in kinds]
    bare: list[Message] = [{"type": kind, "payload": value} for kind in kinds]
    agent = {"name": value, "base_type": value, "description": value, "is_alias": True}
    place = {"name": value, "projects": [{"name": value, "is_git_repo": True, "default_branch": value}]}
    created = {"type": "session.created", "session_id": f"evil-{value}"[:40], "payload": session(value)}
    sync = {
        "type": "sync.state",
        "payload": {
            "sessions": [{**session(value), "session_id": "evil", "status": "idle"}, value],
            "subscriptions": value,
            "availableAgents": [agent, value],
            "workspaces": [place, value],
            "hiddenBaseTypes": [value],
            "executingStates": value,
            "currentStreamingBlocks": [value],
        },
    }
    return [*whole, *bare, created, sync]


def stay_calm(app: App) -> None:
    """Nothing ran, nothing was asked, and the app still works."""
    assert app.page.evaluate("window.__pwned") is None
    assert app.page.locator("a[href^='javascript:' i], a[href^='data:' i], iframe, base").count() == 0
    app.enter("supervisor")
    app.say("table, after all that")
    app.reads("TCP keep-alive")
    assert app.page.evaluate("window.__pwned") is None


def no_dialogs(app: App) -> None:
    def shocked(dialog: Dialog) -> None:
        app.visitor.errors.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    app.page.on("dialog", shocked)


@pytest.mark.parametrize("phone", [False, True])
def test_markup_in_every_field_is_shown_and_not_obeyed(
    new_app: NewApp, server: Server, desk: Desk, phone: bool
) -> None:
    app = new_app(server.url, desk, phone=phone)
    no_dialogs(app)
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    desk.tell_all(output([block(kind) for kind in BLOCKS]))
    app.reads("{{constructor}}")
    app.unfold()
    for message in about_everything(EVIL):
        desk.tell_all(message)
    app.home()
    stay_calm(app)


def test_quick_replies_open_no_script(app: App, desk: Desk) -> None:
    no_dialogs(app)
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    buttons = {
        "buttons": [
            {"id": "1", "title": "one", "style": "primary", "action": "url:javascript:window.__pwned=1"},
            {"id": "2", "title": "two", "style": "primary", "action": "url:data:text/html,x"},
            {"id": "3", "title": "three", "style": "primary", "action": "eval:window.__pwned=1"},
        ]
    }
    desk.tell_all(output([{"id": "b", "block_type": "action_buttons", "content": "", "metadata": buttons}]))
    for title in ("one", "two", "three"):
        app.button(title).click()
    assert len(app.visitor.context.pages) == 1
    stay_calm(app)


def test_values_of_every_wrong_kind_break_nothing(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    for number, value in enumerate(ODD):
        desk.tell_all(output([block(kind, value) for kind in BLOCKS], value, f"odd-{number}"))
        desk.tell_all(output(value, value, f"bare-{number}"))
        for message in about_everything(value):
            desk.tell_all(message)
    stay_calm(app)


def test_a_hostile_program_in_the_terminal(app: App, desk: Desk) -> None:
    no_dialogs(app)
    app.enter_terminal(desk)
    app.page.evaluate("navigator.clipboard.writeText('mine')")
    stolen = base64.b64encode(b"stolen").decode()
    desk.print(f"\x1b]0;{EVIL}\x07\x1b]52;c;{stolen}\x07{EVIL}\r\n")
    desk.print(
        "\x1b]8;;javascript:window.__pwned=1\x1b\\click\x1b]8;;\x1b\\\r\n\x1b[9999;9999H\x07\r\nthe end\r\n"
    )
    expect(app.screen).to_contain_text("the end")
    assert app.page.evaluate("navigator.clipboard.readText()") == "mine"
    stay_calm(app)


def test_a_hostile_pairing_link_does_nothing(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url)
    no_dialogs(app)
    for url in ("javascript:alert(1)", "https://user:secret@evil.test/", "data:text/html,x", "//evil"):
        pairing = json.dumps({"tunnel_id": EVIL, "url": url, "key": EVIL})
        data = base64.urlsafe_b64encode(pairing.encode()).decode()
        app.open(f"/?{len(url)}#data={data}")
        expect(app.page.get_by_role("main").or_(app.page.get_by_role("dialog")).first).to_be_visible()
        assert app.page.evaluate("window.__pwned") is None
        app.page.evaluate(
            "indexedDB.databases().then(all => all.forEach(one => indexedDB.deleteDatabase(one.name)))"
        )


def test_the_page_could_not_obey_even_if_it_tried(app: App) -> None:
    """Trusted Types: markup and script from text are refused by the browser itself."""
    tries = (
        "document.createElement('div').innerHTML = '<b>bold</b>'",
        "document.createElement('script').text = 'window.__pwned = 1'",
        "new Worker('data:text/javascript,1')",
        "new Worker('/assets/../api/v1/watch/state')",
    )
    for attempt in tries:
        done = app.page.evaluate(
            f"() => {{ try {{ {attempt}; return 'done' }} catch (e) {{ return e.name }} }}"
        )
        assert done == "TypeError", attempt
    app.page.evaluate("window.__refused = []")
