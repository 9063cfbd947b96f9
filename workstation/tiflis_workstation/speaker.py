"""The events of one chat for devices: the same under `supervisor.*` and `session.*`."""

from __future__ import annotations

from collections.abc import Callable

from tiflis_workstation.chat import Snapshot
from tiflis_workstation.sound import Sound
from tiflis_workstation.stage import Stage
from tiflis_workstation.wire import (
    INTERNAL_ERROR,
    SUPERVISOR,
    Message,
    RequestRefused,
    present,
    session_error,
)


class Speaker:
    """`deliver` takes a message for all who follow the chat; no session id: it is the supervisor's chat."""

    def __init__(
        self, stage: Stage, deliver: Callable[[Message], None], session_id: str | None = None
    ) -> None:
        self.session_id = session_id
        self._stage = stage
        self._deliver = deliver

    def output(self, snapshot: Snapshot) -> None:
        """Send the whole answer so far."""
        payload = {
            "content_type": "agent" if self.session_id else SUPERVISOR,
            "content": snapshot.content,
            "content_blocks": snapshot.blocks,
            "timestamp": self._stage.milliseconds(),
            "sequence": snapshot.sequence,
            "is_complete": snapshot.complete,
        }
        label = snapshot.message_id or None
        self._tell("output", payload, sequence=snapshot.sequence, streaming_message_id=label)

    def user_message(self, message_id: str, content: str, device_id: str) -> None:
        self._tell(
            "user_message",
            present(
                message_id=message_id or None,
                content=content,
                timestamp=self._stage.milliseconds(),
                from_device_id=device_id,
            ),
        )

    def transcription(self, message_id: str, text: str, device_id: str) -> None:
        self._tell(
            "transcription",
            {
                "message_id": message_id,
                "text": text,
                "transcription": text,
                "timestamp": self._stage.milliseconds(),
                "from_device_id": device_id,
            },
        )

    def voice_output(self, message_id: str, sound: Sound, device_id: str) -> None:
        payload = present(
            message_id=message_id,
            audio=sound.audio,
            audio_format=sound.audio_format,
            duration=sound.seconds,
            timestamp=self._stage.milliseconds(),
            from_device_id=device_id,
        )
        self._tell("voice_output", payload)

    def crashed(self) -> None:
        """Report that the session's agent died. The supervisor has no such event: its answer alone says
        so."""
        if self.session_id:
            refused = RequestRefused(INTERNAL_ERROR, "The agent's process has ended unexpectedly.")
            self._deliver(session_error(self.session_id, refused))

    def context_cleared(self) -> None:
        self._tell("context_cleared", {"timestamp": self._stage.milliseconds()})

    def _tell(self, event: str, payload: Message, **beside: object) -> None:
        prefix = "session" if self.session_id else SUPERVISOR
        self._deliver(
            present(type=f"{prefix}.{event}", session_id=self.session_id, **beside, payload=payload)
        )
