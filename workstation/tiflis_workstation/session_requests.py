"""The requests that name a session: look at it, talk to its agent, type into its terminal."""

from __future__ import annotations

from tiflis_workstation.chat import Chat
from tiflis_workstation.desk import Desk
from tiflis_workstation.prompts import Reply, take_prompt
from tiflis_workstation.sessions import Session
from tiflis_workstation.terminal import LEAST_COLUMNS, LEAST_ROWS, Terminal
from tiflis_workstation.wire import INVALID_PAYLOAD, Message, Request, RequestRefused, present, response


def subscribe(desk: Desk, request: Request, reply: Reply) -> None:
    session = desk.sessions.find(request.session_id)
    desk.devices.subscribe(request.device_id, session.session_id)
    state = _state(desk, session, request.device_id)
    # Shipped clients differ in where they look, so the fields stand in both places.
    twice = {} if desk.stage.as_shipped and session.chat is not None else {"payload": state}
    reply({"type": "session.subscribed", "session_id": session.session_id, **state, **twice})


def unsubscribe(desk: Desk, request: Request, reply: Reply) -> None:
    desk.devices.unsubscribe(request.device_id, request.session_id)
    reply({"type": "session.unsubscribed", "session_id": request.session_id})


def execute(desk: Desk, request: Request, reply: Reply) -> None:
    chat = desk.sessions.chat(request.session_id)
    accepted = {"accepted": True, "session_id": request.session_id}
    take_prompt(request, reply, desk.stage, chat, desk.speaker(request.session_id), accepted)


def cancel(desk: Desk, request: Request, reply: Reply) -> None:
    chat = desk.sessions.chat(request.session_id)
    reply(response(request, cancelled=chat.cancel(desk.speaker(request.session_id).output)))


def type_in(desk: Desk, request: Request, reply: Reply) -> None:
    desk.sessions.terminal(request.session_id).write(request.text("data"))


def resize(desk: Desk, request: Request, reply: Reply) -> None:
    """Resize the terminal if the master asks; answer others why not."""
    terminal = desk.sessions.terminal(request.session_id)
    columns, rows = request.integer("cols"), request.integer("rows")
    if columns is None or rows is None:
        raise RequestRefused(INVALID_PAYLOAD, f"cols ≥ {LEAST_COLUMNS} and rows ≥ {LEAST_ROWS} are needed.")
    reason = _why_not(desk, request, terminal)
    if reason is None:
        terminal.resize(columns, rows)
        desk.show(request.session_id, _resized(request, terminal, None))
    else:
        reply(_resized(request, terminal, reason))


def replay(desk: Desk, request: Request, reply: Reply) -> None:
    session = desk.sessions.find(request.session_id)
    payload: Message = {"messages": [], "has_more": False}
    if session.terminal is not None:
        payload = session.terminal.buffer.replay(
            request.integer("since_sequence"), request.number("since_timestamp"), request.integer("limit")
        )
    reply(
        present(
            type="session.replay.data",
            id=request.id or None,
            session_id=session.session_id,
            payload=payload,
        )
    )


def _why_not(desk: Desk, request: Request, terminal: Terminal) -> str | None:
    if not terminal.alive:
        return "inactive"
    return None if desk.devices.is_master(request.device_id, request.session_id) else "not_master"


def _resized(request: Request, terminal: Terminal, reason: str | None) -> Message:
    payload = present(success=reason is None, cols=terminal.columns, rows=terminal.rows, reason=reason)
    return {"type": "session.resized", "session_id": request.session_id, "payload": payload}


def _state(desk: Desk, session: Session, device_id: str) -> Message:
    if session.terminal is not None:
        return {
            "is_master": desk.devices.is_master(device_id, session.session_id),
            "cols": session.terminal.columns,
            "rows": session.terminal.rows,
        }
    if session.chat is None:
        return {}
    kept = session.chat.accumulator
    if desk.stage.as_shipped and not session.chat.executing and kept.blocks:
        return {
            "is_executing": False,
            "current_streaming_blocks": kept.blocks,
            "streaming_message_id": kept.label,
        }
    return streaming_state(session.chat)


def streaming_state(chat: Chat) -> Message:
    """Return the state of an answer under way for a device that joins."""
    snapshot = chat.snapshot
    if snapshot is None:
        return {"is_executing": False}
    return {
        "is_executing": True,
        "current_streaming_blocks": snapshot.blocks,
        **present(streaming_message_id=snapshot.message_id or None),
    }
