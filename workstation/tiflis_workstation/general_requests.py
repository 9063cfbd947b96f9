"""The requests of every device: authenticate, synchronise, heartbeat, history, audio."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import tiflis
from tiflis_workstation import catalogue
from tiflis_workstation.chat import Chat
from tiflis_workstation.desk import Desk
from tiflis_workstation.prompts import Reply
from tiflis_workstation.session_requests import streaming_state
from tiflis_workstation.wire import (
    INVALID_AUTH_KEY,
    PROTOCOL_VERSION,
    Message,
    Request,
    RequestRefused,
    present,
)


def authenticate(desk: Desk, request: Request, name: str, auth_key: str) -> Message:
    """Return the answer to `auth`, success or error."""
    if not hmac.compare_digest(request.text("auth_key").encode(), auth_key.encode()):
        payload = {"code": INVALID_AUTH_KEY, "message": "The auth key is not the workstation's."}
        return {"type": "auth.error", "payload": payload}
    device_id = request.text("device_id")
    restored = desk.devices.enter(device_id)
    payload = present(
        device_id=device_id,
        workstation_name=name,
        workstation_version=tiflis.__version__,
        protocol_version=PROTOCOL_VERSION,
        workspaces_root=catalogue.WORKSPACES_ROOT,
        restored_subscriptions=restored or None,
    )
    return {"type": "auth.success", "payload": payload}


def heartbeat(desk: Desk, request: Request, reply: Reply, uptime: Callable[[], float]) -> None:
    reply(
        present(
            type="heartbeat.ack",
            id=request.id or None,
            timestamp=desk.stage.milliseconds(),
            workstation_uptime_ms=int(uptime() * 1000),
        )
    )


def sync(desk: Desk, request: Request, reply: Reply) -> None:
    snapshot = desk.supervisor.snapshot
    payload = present(
        sessions=[session.describe() for session in desk.sessions],
        subscriptions=desk.devices.subscriptions(request.device_id),
        supervisorIsExecuting=desk.supervisor.executing,
        executingStates={s.session_id: s.chat.executing for s in desk.sessions if s.chat is not None},
        currentStreamingBlocks=snapshot.blocks if snapshot is not None else None,
        availableAgents=catalogue.available_agents(),
        workspaces=catalogue.workspaces(),
        hiddenBaseTypes=list(catalogue.HIDDEN_BASE_TYPES),
    )
    reply(present(type="sync.state", id=request.id or None, payload=payload))


def history(desk: Desk, request: Request, reply: Reply) -> None:
    session_id = request.session_id
    payload: Message = {"session_id": session_id or None}
    try:
        chat = _chat(desk, session_id)
        payload |= chat.history.page(request.integer("before_sequence"), request.integer("limit"))
        payload |= streaming_state(chat)
    except RequestRefused as refused:
        payload |= {"history": [], "has_more": False, "error": refused.message}
    reply(present(type="history.response", id=request.id or None, payload=payload))


def audio(desk: Desk, request: Request, reply: Reply) -> None:
    message_id = request.text("message_id")
    # The shipped workstation reads `type`, the specification names `audio_type`.
    wanted = _payload_text(request, "type") if desk.stage.as_shipped else request.text("audio_type")
    sound = desk.stage.sounds.get(message_id, wanted or "output")
    payload: Message = {"message_id": message_id}
    if sound is None:
        payload["error"] = "The sound is no longer kept."
    else:
        payload |= {"audio": sound.audio, "audio_format": sound.audio_format}
    reply(present(type="audio.response", id=request.id or None, payload=payload))


def _payload_text(request: Request, name: str) -> str:
    """Return a field of the payload alone: `type` at top level is the message's."""
    payload = request.body.get("payload")
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, str) else ""


def _chat(desk: Desk, session_id: str) -> Chat:
    return desk.sessions.chat(session_id) if session_id else desk.supervisor
