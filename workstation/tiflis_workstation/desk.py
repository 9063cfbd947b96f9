"""The workstation's desk: what all request handlers share, and how a message finds its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tiflis_workstation import catalogue
from tiflis_workstation.chat import Chat
from tiflis_workstation.devices import Devices
from tiflis_workstation.history import History
from tiflis_workstation.output_buffer import Output
from tiflis_workstation.sessions import Session, Sessions
from tiflis_workstation.speaker import Speaker
from tiflis_workstation.stage import Stage
from tiflis_workstation.terminal import ShellMaker, Terminal
from tiflis_workstation.wire import SUPERVISOR, Message, encode


class Desk:
    """State of one workstation; `send` hands a message to the tunnel."""

    def __init__(self, stage: Stage, send: Callable[[Message], None], make_shell: ShellMaker) -> None:
        self.stage = stage
        self.devices = Devices()
        self.sessions = Sessions(stage, self._new_terminal)
        past = catalogue.seeded_history(SUPERVISOR, catalogue.SUPERVISOR_SEEDED_MESSAGES, stage.now())
        self.supervisor = Chat(stage, History(past), for_all=True)
        self.supervisor_speaker = Speaker(stage, self.broadcast)
        self._send = send
        self._make_shell = make_shell
        self._leaving: list[Session] = []
        self._left = asyncio.Event()

    def broadcast(self, message: Message) -> None:
        self._send(message)

    def send_to(self, device_id: str, message: Message) -> None:
        self._send({"type": "forward.to_device", "device_id": device_id, "payload": encode(message)})

    def show(self, session_id: str, message: Message) -> None:
        """Send the message to the devices that are subscribed to the session."""
        for device_id in self.devices.viewers(session_id):
            self.send_to(device_id, message)

    def speaker(self, session_id: str) -> Speaker:
        return Speaker(self.stage, lambda message: self.show(session_id, message), session_id)

    def terminate(self, session_id: str) -> None:
        """Off the list at once, for all; its tasks end in `sweep`."""
        self._leaving.append(self.sessions.remove(session_id))
        self._left.set()
        self.devices.close_session(session_id)
        self.broadcast({"type": "session.terminated", "session_id": session_id})

    async def sweep(self) -> None:
        """Closes what is terminated, until cancelled."""
        while True:
            await self._left.wait()
            self._left.clear()
            await self._close_left()

    async def close(self) -> None:
        await self._close_left()
        await self.supervisor.close()
        for session in self.sessions:
            await session.close()

    async def _close_left(self) -> None:
        while self._leaving:
            await self._leaving.pop().close()

    def _new_terminal(self, session_id: str) -> Terminal:
        def show(output: Output) -> None:
            self.show(
                session_id,
                {"type": "session.output", "session_id": session_id, "payload": output.as_message()},
            )

        return Terminal(self.stage, self._make_shell, show, lambda: self.terminate(session_id))
