"""The supervisor's requests: one chat for all devices, and the list of sessions."""

from __future__ import annotations

from tiflis_workstation.catalogue import Opening
from tiflis_workstation.desk import Desk
from tiflis_workstation.output_buffer import BUFFER_SIZE
from tiflis_workstation.prompts import Reply, take_prompt
from tiflis_workstation.wire import Message, Request, response


def list_sessions(desk: Desk, request: Request, reply: Reply) -> None:
    reply(response(request, sessions=[session.describe() for session in desk.sessions]))


def create_session(desk: Desk, request: Request, reply: Reply) -> None:
    opening = Opening(
        request.text("agent_name") or request.text("session_type"),
        request.text("workspace"),
        request.text("project"),
        request.text("worktree"),
    )
    session = desk.sessions.open(opening)
    desk.devices.open_session(session.session_id)
    kept = {name: value for name, value in session.describe().items() if name not in ("session_id", "status")}
    terminal: Message = {"terminal_config": {"buffer_size": BUFFER_SIZE}} if session.terminal else {}
    reply(
        response(
            request,
            session_id=session.session_id,
            session_type=session.session_type,
            working_dir=session.working_dir,
        )
    )
    desk.broadcast({"type": "session.created", "session_id": session.session_id, "payload": kept | terminal})


def terminate_session(desk: Desk, request: Request, reply: Reply) -> None:
    desk.terminate(request.session_id)
    reply(response(request, session_id=request.session_id, terminated=True))


def command(desk: Desk, request: Request, reply: Reply) -> None:
    accepted = {"acknowledged": True}
    take_prompt(request, reply, desk.stage, desk.supervisor, desk.supervisor_speaker, accepted)


def cancel(desk: Desk, request: Request, reply: Reply) -> None:
    reply(response(request, cancelled=desk.supervisor.cancel(desk.supervisor_speaker.output)))


def clear_context(desk: Desk, request: Request, reply: Reply) -> None:
    desk.supervisor.clear(desk.supervisor_speaker.output)
    reply(response(request, success=True))
    desk.supervisor_speaker.context_cleared()
