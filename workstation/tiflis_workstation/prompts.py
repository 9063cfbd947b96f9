"""Takes a prompt, typed or spoken, acknowledges it and sets the agent to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tiflis_workstation import texts
from tiflis_workstation.blocks import Block, block
from tiflis_workstation.chat import Chat, Snapshot
from tiflis_workstation.performance import Say, Speak, Step
from tiflis_workstation.scenes import Scene, choose
from tiflis_workstation.sound import Sound
from tiflis_workstation.speaker import Speaker
from tiflis_workstation.stage import Stage
from tiflis_workstation.wire import (
    INVALID_PAYLOAD,
    SESSION_BUSY,
    Message,
    Request,
    RequestRefused,
    message_ack,
    response,
)

Reply = Callable[[Message], None]
"""Sends to the device that asked, to no other."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A message of the user: `message_id` names the message, `text` is what was typed or understood."""

    command_id: str
    message_id: str
    text: str
    blocks: list[Block]
    recording: Sound | None
    aloud: bool


def take_prompt(
    request: Request, reply: Reply, stage: Stage, chat: Chat, speaker: Speaker, accepted: Message
) -> None:
    """`accepted` is the payload of the response. A retry of a known id is acknowledged and not run again."""
    prompt = read_prompt(request, stage)
    again = chat.is_known(prompt.message_id)
    if chat.executing and not again:
        raise RequestRefused(SESSION_BUSY, "The agent is still working. Wait, or cancel it.")
    reply(message_ack(prompt.command_id, speaker.session_id))
    if request.id:
        reply(response(request, **accepted))
    if not again:
        _work(prompt, request.device_id, stage, chat, speaker)


def read_prompt(request: Request, stage: Stage) -> Prompt:
    command_id = request.id or request.text("message_id") or stage.new_id("cmd")
    message_id = request.text("message_id") or command_id
    audio = request.text("audio") or request.text("audio_base64")
    if audio:
        return _spoken(request, Prompt(command_id, message_id, "", [], None, True), audio, stage)
    text = request.text("command") or request.text("content") or request.text("text")
    if not text.strip():
        raise RequestRefused(INVALID_PAYLOAD, "There is neither text nor audio in the message.")
    blocks = [block(f"{message_id}-0", "text", text)]
    return Prompt(command_id, message_id, text, blocks, None, request.flag("tts_enabled"))


def _spoken(request: Request, prompt: Prompt, audio: str, stage: Stage) -> Prompt:
    """Return the prompt of a recording: the demo understands each as one of a few sentences."""
    sound = Sound(audio, request.text("audio_format") or "webm")
    text = texts.TRANSCRIPTIONS[len(audio) % len(texts.TRANSCRIPTIONS)]
    message_id = prompt.message_id
    known = {} if stage.as_shipped else {"message_id": message_id}
    blocks = [block(f"{message_id}-0", "voice_input", text, **known, has_audio=True)]
    aloud = request.body.get("tts_enabled") is not False
    return replace(prompt, text=text, blocks=blocks, recording=sound, aloud=aloud)


def _work(prompt: Prompt, device_id: str, stage: Stage, chat: Chat, speaker: Speaker) -> None:
    # The shipped workstation gives the history's entry an id of its own, which no device has seen before.
    entry_id = stage.new_id("entry") if stage.as_shipped else prompt.message_id
    chat.ask(prompt.message_id, prompt.text, prompt.blocks, entry_id)
    if prompt.recording is not None:
        stage.sounds.put(entry_id, "input", prompt.recording)
        speaker.transcription(prompt.message_id, prompt.text, device_id)
    if prompt.recording is None or not stage.as_shipped:
        speaker.user_message("" if stage.as_shipped else prompt.message_id, prompt.text, device_id)

    def spoken(message_id: str, sound: Sound) -> None:
        speaker.voice_output(message_id, sound, device_id)

    scene = choose(prompt.text)

    def show(snapshot: Snapshot) -> None:
        speaker.output(snapshot)
        if snapshot.complete and scene.crashes:
            speaker.crashed()

    chat.answer(_steps(prompt, scene), show, spoken)


def _steps(prompt: Prompt, scene: Scene) -> list[Step]:
    steps = scene.steps(prompt.text)
    if prompt.aloud and not any(isinstance(step, Speak) for step in steps):
        said = next((step.text for step in steps if isinstance(step, Say)), "Done.")
        steps.append(Speak(said))
    return steps
