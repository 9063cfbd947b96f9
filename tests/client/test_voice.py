"""Voice: recording by tap, hold and key, cancelling, the words for trouble, and listening."""

from __future__ import annotations

import base64
import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.browser import CHROMIUM, INSECURE_HOST
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server, wait_until

BROWSER = CHROMIUM

WEBM = b"\x1a\x45\xdf\xa3"
LONGEST_SECONDS = 300
LONG_ENOUGH = "0:01"
DEADLINE = 10.0


def microphone(app: App) -> Locator:
    return app.button("Record a voice message")


def until_heard(app: App) -> None:
    """A second is on the recorder's clock."""
    expect(app.page.get_by_role("timer")).to_contain_text(LONG_ENOUGH)


def recording(desk: Desk) -> bytes:
    sent = desk.until_got("supervisor.command", lambda one: "audio" in one["payload"])["payload"]
    assert sent["audio_format"] in ("webm", "mp4")
    return base64.b64decode(sent["audio"], validate=True)


def loudest(app: App) -> float:
    bars = "[...document.querySelectorAll('.recorder-bars i')]"
    level = "parseFloat(bar.style.getPropertyValue('--level')) || 0"
    return float(app.page.evaluate(f"Math.max(0, ...{bars}.map(bar => {level}))"))


def listen(app: App) -> None:
    """Remember what the page plays; the machine has no loudspeaker."""
    app.page.evaluate(
        """() => {
          window.__played = 0;
          const play = HTMLMediaElement.prototype.play;
          HTMLMediaElement.prototype.play = function () {
            window.__played += 1;
            this.muted = true;
            return play.call(this);
          };
        }"""
    )


def played(app: App) -> int:
    return int(app.page.evaluate("window.__played"))


def until_played(app: App) -> None:
    wait_until(lambda: played(app) == 1, DEADLINE, "it is played")


def test_tap_speak_tap_and_the_words_appear(phone: App, desk: Desk) -> None:
    phone.enter("supervisor")
    microphone(phone).tap()
    until_heard(phone)
    wait_until(lambda: loudest(phone) > 0.02, DEADLINE, "the meter moves")
    phone.button("Send the recording").tap()
    assert recording(desk).startswith(WEBM)
    phone.reads(re.compile("Run the tests|Show me the code|What is the status"))


def test_hold_speak_release(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    hold(app)
    until_heard(app)
    app.page.mouse.up()
    assert recording(desk).startswith(WEBM)


def hold(app: App) -> None:
    box = microphone(app).bounding_box()
    assert box is not None
    app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    app.page.mouse.down()


def test_sliding_away_or_escape_discards(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    hold(app)
    until_heard(app)
    app.page.mouse.move(500, 200)
    expect(app.page.get_by_text("Let go to discard")).to_be_visible()
    app.page.mouse.up()
    expect(microphone(app)).to_be_visible()
    app.page.keyboard.press("Alt+r")
    until_heard(app)
    app.page.keyboard.press("Escape")
    expect(microphone(app)).to_be_visible()
    app.say("hello")
    desk.until_got("supervisor.command")
    assert all("audio" not in one["payload"] for one in desk.got("supervisor.command"))


def test_a_recording_ends_by_itself_and_is_sent(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url)
    app.page.clock.install()
    app.pair_by_address(desk)
    app.enter("supervisor")
    microphone(app).click()
    until_heard(app)
    app.page.clock.fast_forward(LONGEST_SECONDS * 1000)
    app.page.clock.run_for(1000)
    assert recording(desk).startswith(WEBM)


def test_the_keyboard_records(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    microphone(app).focus()
    app.page.keyboard.down(" ")
    until_heard(app)
    app.page.keyboard.up(" ")
    assert recording(desk).startswith(WEBM)


def test_a_blocked_microphone_is_explained(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, permissions=[])
    app.enter("supervisor")
    microphone(app).click()
    expect(app.page.get_by_role("alert")).to_contain_text("The microphone is blocked for this page")


def test_without_https_the_microphone_is_explained(new_app: NewApp, server: Server, desk: Desk) -> None:
    url = f"http://{INSECURE_HOST}:{server.port}"
    app = new_app(url, permissions=[])
    expect(app.page.get_by_text("This page was not opened with https")).to_be_visible()
    app.paste(desk.pairing.json.replace("127.0.0.1", INSECURE_HOST))
    app.agree()
    app.until_online()
    app.enter("supervisor")
    microphone(app).click()
    expect(app.page.get_by_role("alert")).to_contain_text("only to pages opened with https")


def test_an_answer_is_spoken_only_where_it_was_asked_for(new_app: NewApp, server: Server, desk: Desk) -> None:
    asker, other = new_app(server.url, desk), new_app(server.url, desk)
    for app in (asker, other):
        app.enter("supervisor")
        listen(app)
    asker.say("voice")
    for app in (asker, other):
        expect(app.page.get_by_role("group", name="Spoken answer")).to_be_visible()
    until_played(asker)
    assert played(other) == 0
    other.page.get_by_role("group", name="Spoken answer").get_by_role("button", name="Play").click()
    until_played(other)


def test_a_spoken_answer_has_speed_place_and_an_end(app: App) -> None:
    app.go("#/settings")
    app.page.get_by_role("switch", name="Play spoken answers").click()
    app.enter("supervisor")
    listen(app)
    app.say("voice")
    player = app.page.get_by_role("group", name="Spoken answer")
    player.get_by_role("button", name=re.compile("Speed 1.$")).click()
    expect(player.get_by_role("button", name=re.compile("Speed 1.25"))).to_be_visible()
    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    place = player.get_by_role("slider", name="Position")
    expect(place).to_be_enabled()
    place.fill("1")
    player.get_by_role("button", name="Pause").click()
    assert float(place.input_value()) >= 1
    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Play")).to_be_visible()


def test_speaking_interrupts_the_answer(app: App) -> None:
    app.enter("supervisor")
    listen(app)
    app.say("voice")
    player = app.page.get_by_role("group", name="Spoken answer")
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    microphone(app).click()
    expect(player.get_by_role("button", name="Play")).to_be_visible()
    app.page.keyboard.press("Escape")


def test_ones_own_recording_can_be_heard_again(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk)
    app.enter("supervisor")
    microphone(app).click()
    until_heard(app)
    app.button("Send the recording").click()
    app.reads(re.compile("Run the tests|Show me the code|What is the status"))
    app.page.reload()
    app.until_online()
    listen(app)
    app.page.get_by_role("group", name="Voice message").get_by_role("button", name="Play").click()
    until_played(app)
    assert len(desk.got("supervisor.command")) == 1, "the reload sent it again"


def test_the_sound_of_an_answer_plays_in_the_answer_and_not_in_the_question(app: App) -> None:
    app.enter("supervisor")
    listen(app)
    microphone(app).click()
    until_heard(app)
    app.button("Send the recording").click()
    expect(
        app.page.get_by_role("group", name="Spoken answer").get_by_role("button", name="Pause")
    ).to_be_visible()
    question = app.page.get_by_role("group", name="Voice message")
    expect(question.get_by_role("button", name="Play")).to_be_visible()
    question.get_by_role("button", name="Play").click()
    wait_until(lambda: played(app) == 2, DEADLINE, "the question is played too")
    expect(
        app.page.get_by_role("group", name="Spoken answer").get_by_role("button", name="Play")
    ).to_be_visible()
