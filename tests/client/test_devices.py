"""Keys of devices: added by link, QR code or code, shared for looking on, changed and revoked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.film import film_qr
from tests.client.loop import LoopThread
from tests.harness import Server

OWN_KEY = "owner-key-of-this-test-0123"


@pytest.fixture
def desk(loop: LoopThread, server: Server) -> Iterator[Desk]:
    """A tunnel of its own: keys made in one test are not listed in another."""
    with Desk(loop, server, auth_key=OWN_KEY) as running:
        yield running


@pytest.fixture
def owner(new_app: NewApp, server: Server, desk: Desk) -> App:
    app = new_app(server.url, desk)
    app.go("#/devices")
    expect(app.button("Add a device")).to_be_visible()
    return app


def sheet(app: App) -> Locator:
    return app.page.get_by_role("dialog")


def invite(owner: App, scope: str = "Full", name: str = "") -> None:
    owner.button("Add a device").click()
    if name:
        sheet(owner).get_by_label("Name").fill(name)
    sheet(owner).get_by_role("radio", name=re.compile(f"^{scope}")).check(force=True)
    sheet(owner).get_by_role("button", name="Show the code").click()
    expect(owner.page.get_by_test_id("code")).to_be_visible()


def copied_link(owner: App) -> str:
    sheet(owner).get_by_role("button", name="Copy link").click()
    expect(sheet(owner).get_by_role("button", name="Copied")).to_be_visible()
    return str(owner.page.evaluate("navigator.clipboard.readText()"))


def row(owner: App, name: str) -> Locator:
    return owner.page.locator("[data-device]").filter(has_text=name)


def choose(owner: App, device: str, action: str) -> None:
    row(owner, device).get_by_role("button", name=re.compile("more$")).click()
    owner.page.get_by_role("menuitem", name=action).click()


def joined(new_app: NewApp, link: str, *, phone: bool = True) -> App:
    """A device that has opened the link."""
    address, _, data = link.partition("/#")
    app = new_app(address, phone=phone)
    app.open(f"/#{data}")
    app.agree()
    app.until_online()
    return app


def invited(owner: App, new_app: NewApp, scope: str, name: str) -> App:
    invite(owner, scope, name)
    device = joined(new_app, copied_link(owner))
    expect(sheet(owner)).to_contain_text(f"Used by {name}")
    sheet(owner).get_by_role("button", name="Done").click()
    return device


def test_a_device_is_added_by_link_and_the_owner_sees_it_the_moment_it_is_used(
    owner: App, new_app: NewApp
) -> None:
    phone = invited(owner, new_app, "Full", "Anna's phone")
    expect(row(owner, "Anna's phone")).to_contain_text("Connected from 127.0.0.1")
    phone.enter("supervisor")
    phone.say("table")
    phone.reads("TCP keep-alive")
    phone.go("#/devices")
    expect(phone.page.get_by_text("This device", exact=True)).to_be_visible()
    expect(phone.button("Add a device")).to_have_count(0)


def test_a_code_is_typed_once(owner: App, new_app: NewApp, server: Server) -> None:
    invite(owner, "Chat")
    code = owner.page.get_by_test_id("code").inner_text()
    phone = new_app(server.url, phone=True)
    phone.button("Enter a code").click()
    phone.page.get_by_label("Code").fill("WRONG")
    phone.button("Pair").click()
    expect(phone.page.get_by_role("alert")).to_contain_text("eight letters and digits")
    phone.page.get_by_label("Code").fill(code.lower().replace("-", " "))
    phone.button("Pair").click()
    phone.until_online()
    expect(sheet(owner)).to_contain_text("Used by Browser")
    other = new_app(server.url, phone=True)
    other.button("Enter a code").click()
    other.page.get_by_label("Code").fill(code)
    other.button("Pair").click()
    expect(other.page.get_by_role("alert")).to_contain_text("does not know this code")


def test_the_qr_code_on_the_screen_is_read_by_a_camera(
    owner: App, new_app: NewApp, server: Server, film: Path
) -> None:
    invite(owner)
    film_qr(film, copied_link(owner))
    shown = owner.page.get_by_role("img", name="QR code of the pairing link")
    expect(shown).to_be_visible()
    phone = new_app(server.url, phone=True)
    picture = shown.screenshot()
    phone.button("Scan QR").click()
    phone.page.locator("input[type=file]").set_input_files(
        {"name": "code.png", "mimeType": "image/png", "buffer": picture}
    )
    phone.agree()
    phone.until_online()
    expect(sheet(owner)).to_contain_text("Used by")


def test_who_looks_on_sees_everything_and_can_change_nothing(owner: App, new_app: NewApp, desk: Desk) -> None:
    owner.button("Share a view").click()
    sheet(owner).get_by_label("How long").select_option("1 hour")
    sheet(owner).get_by_role("button", name="Show the code").click()
    guest = joined(new_app, copied_link(owner), phone=False)
    expect(sheet(owner)).to_contain_text("Used by")
    sheet(owner).get_by_role("button", name="Done").click()
    expect(row(owner, "View")).to_contain_text("Ends in")
    guest.enter("supervisor")
    guest.reads("(message 24 of 24)")
    expect(guest.page.get_by_text("You look on here")).to_be_visible()
    for name in ("Send", "Record a voice message", "New session"):
        expect(guest.button(name)).to_have_count(0)
    expect(guest.composer).to_have_count(0)
    guest.page.keyboard.press("Alt+n")
    assert guest.page.evaluate("location.hash") == "#/s/supervisor"
    guest.enter_terminal(desk)
    expect(guest.page.get_by_text("may look at terminals, but not type")).to_be_visible()
    desk.forget_what_it_got()
    guest.page.keyboard.type("rm -rf /")
    desk.print("still here")
    expect(guest.screen).to_contain_text("still here")
    assert not desk.got("session.input")
    assert not desk.got("session.resize")


def test_a_chat_device_talks_and_has_no_terminal_keys(owner: App, new_app: NewApp, desk: Desk) -> None:
    phone = invited(owner, new_app, "Chat", "Chatter")
    phone.enter("supervisor")
    phone.say("table")
    phone.reads("TCP keep-alive")
    phone.enter(desk.session("terminal"))
    expect(phone.page.get_by_text("may look at terminals, but not type")).to_be_visible()
    expect(phone.page.get_by_role("textbox", name="Type here")).to_have_count(0)
    phone.go("#/new")
    expect(sheet(phone)).to_be_visible()
    expect(sheet(phone).get_by_role("radio", name=re.compile("Terminal"))).to_have_count(0)


def test_a_device_loses_rights_and_is_then_revoked_and_sees_why(
    owner: App, new_app: NewApp, desk: Desk
) -> None:
    phone = invited(owner, new_app, "Full", "Tablet")
    phone.enter("supervisor")
    phone.enter(desk.session("cursor"))
    phone.composer.fill("half a thought")
    phone.enter("supervisor")
    expect(phone.composer).to_be_visible()
    choose(owner, "Tablet", "Change what it may do")
    sheet(owner).get_by_role("radio", name=re.compile("^View")).check(force=True)
    sheet(owner).get_by_role("button", name="Save").click()
    expect(row(owner, "Tablet")).to_contain_text("View")
    phone.say("table")
    expect(phone.page.get_by_text("may not do that").first).to_be_visible()
    expect(phone.page.get_by_text("You look on here")).to_be_visible()
    phone.enter(desk.session("cursor"))
    expect(phone.page.get_by_role("blockquote")).to_have_text("half a thought")
    choose(owner, "Tablet", "Rename")
    sheet(owner).get_by_label("Name").fill("Lost tablet")
    sheet(owner).get_by_role("button", name="Save").click()
    choose(owner, "Lost tablet", "Revoke")
    sheet(owner).get_by_role("button", name="Revoke").click()
    expect(row(owner, "Lost tablet")).to_have_count(0)
    phone.home()
    phone.until_phase("refused")
    phone.phase.click()
    expect(phone.page.get_by_role("group", name="Connection details")).to_contain_text("was revoked")


def test_the_owners_key_can_be_closed_and_a_refused_device_sees_why(
    owner: App, new_app: NewApp, server: Server, desk: Desk
) -> None:
    switch = owner.page.get_by_role("switch", name="The workstation's own link pairs new devices")
    switch.click()
    sheet(owner).get_by_role("button", name="Close it").click()
    expect(switch).to_have_attribute("aria-checked", "false")
    stranger = new_app(server.url)
    stranger.open(f"/#data={desk.pairing.data}")
    stranger.agree()
    expect(sheet(stranger)).to_contain_text("no longer pairs new devices")
    owner.page.reload()
    owner.until_online()
    expect(switch).to_have_attribute("aria-checked", "false")


def test_a_link_that_would_replace_this_browsers_key_says_so(owner: App) -> None:
    owner.button("Share a view").click()
    sheet(owner).get_by_role("button", name="Show the code").click()
    link = copied_link(owner)
    owner.page.keyboard.press("Escape")
    owner.go(f"#{link.split('#')[1]}")
    expect(sheet(owner)).to_contain_text("is replaced by the one of the link")
