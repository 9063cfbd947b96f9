"""Pairing as a newcomer does it: link, JSON, fields, QR; and several workstations in one browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, WebSocketRoute, expect

from tests.client.app import App
from tests.client.browser import CHROMIUM, INSECURE_HOST
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.film import film_qr
from tests.client.loop import LoopThread
from tests.harness import Server

BROWSER = CHROMIUM

WRONG_KEY = "this-is-not-the-key-of-anybody"


def sheet(app: App) -> Locator:
    return app.page.get_by_role("dialog", name=re.compile("^Pair with"))


def test_the_web_link_pairs_and_leaves_the_address_bar(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url)
    app.open(f"/#data={desk.pairing.data}")
    app.agree()
    app.until_online()
    assert desk.pairing.data not in app.page.url
    assert desk.pairing.key not in app.page.evaluate("JSON.stringify(history.state ?? '') + location.href")


@pytest.mark.parametrize("form", ["magic_link", "json", "web_link"])
def test_what_the_workstation_prints_can_be_pasted(
    new_app: NewApp, server: Server, desk: Desk, form: str
) -> None:
    app = new_app(server.url, phone=True)
    app.paste(getattr(desk.pairing, form))
    app.agree()
    app.until_online()


def test_the_four_fields_by_hand(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url)
    app.button("Enter the details by hand").click()
    address = app.page.get_by_label("Server address")
    expect(address).to_have_value(re.compile(re.escape(f"127.0.0.1:{server.port}")))
    app.page.get_by_label("Name").fill("My desk")
    app.page.get_by_label("Tunnel id").fill(desk.pairing.tunnel_id)
    app.page.get_by_label("Access key").fill(desk.pairing.key)
    app.button("Pair").click()
    app.until_online()
    expect(app.page.get_by_text("My desk").first).to_be_visible()


def test_the_camera_reads_the_qr_code(new_app: NewApp, server: Server, desk: Desk, film: Path) -> None:
    film_qr(film, desk.pairing.magic_link)
    app = new_app(server.url, phone=True)
    app.button("Scan QR").click()
    app.agree()
    app.until_online()


def test_without_a_camera_the_scanner_says_what_to_do(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url, permissions=[])
    app.button("Scan QR").click()
    expect(app.page.get_by_role("dialog")).to_contain_text("The camera is blocked for this page")
    app.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(app.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "This is no pairing link"),
        ('{"tunnel_id":"a","url":"ws://x/ws","key":"short"}', "at least 16 characters"),
        ('{"tunnel_id":"a","key":"0123456789abcdef"}', "address is missing"),
    ],
)
def test_a_wrong_link_is_explained(new_app: NewApp, server: Server, text: str, words: str) -> None:
    app = new_app(server.url)
    app.paste(text)
    expect(app.page.get_by_role("alert")).to_contain_text(words)


def test_a_wrong_key_is_told_where_it_was_given_and_nothing_is_kept(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, phone=True)
    app.paste(desk.pairing.json.replace(desk.pairing.key, WRONG_KEY))
    app.agree()
    expect(sheet(app).get_by_role("alert")).to_contain_text("did not accept the key")
    expect(sheet(app).get_by_role("button", name="Try again")).to_be_enabled()
    sheet(app).get_by_role("button", name="Cancel").click()
    app.page.reload()
    app.paste(desk.pairing.json)
    app.agree()
    app.until_online()


def test_a_server_that_cannot_be_reached_is_told_and_tried_again(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url)
    refusing = [True]

    def join(side: WebSocketRoute) -> None:
        side.close() if refusing[0] else side.connect_to_server()

    app.page.route_web_socket(re.compile(r"/ws$"), join)
    app.paste(desk.pairing.json)
    app.agree()
    expect(sheet(app).get_by_role("alert")).to_contain_text("cannot be reached")
    refusing[0] = False
    sheet(app).get_by_role("button", name="Try again").click()
    app.until_online()


def test_a_link_asks_and_leaves_the_present_workstation_until_it_is_answered(
    app: App, loop: LoopThread, server: Server
) -> None:
    with Desk(loop, server, name="Second", auth_key="second-key-0123456789") as second:
        for cancel in (
            "Enter",
            "Escape",
        ):  # by keys: a second click at one place within a moment counts for nothing
            app.go(f"#data={second.pairing.data}")
            expect(sheet(app)).to_contain_text("Demo stays paired")
            host = f"at 127.0.0.1:{server.port}?"
            expect(sheet(app).get_by_role("heading")).to_contain_text(host)
            sheet(app).get_by_role("button", name="Cancel").press(cancel)
            expect(sheet(app)).to_have_count(0)
        app.button("Back").click()
        app.until_online()
        app.phase.click()
        details = app.page.get_by_role("group", name="Connection details")
        expect(details.get_by_role("button", name="Demo")).to_have_attribute("aria-pressed", "true")
        expect(details.get_by_role("button", name="Second")).to_have_count(0)
        expect(details.get_by_role("button", name=second.pairing.tunnel_id)).to_have_count(0)


def test_a_list_that_has_not_come_says_why(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, phone=True)
    app.page.evaluate(
        "Object.keys(localStorage).filter(k => /sessions/.test(k)).forEach(k => localStorage.removeItem(k))"
    )
    desk.leave()
    app.page.reload()
    expect(app.page.get_by_role("main")).to_contain_text("The list comes with the connection")
    expect(app.page.get_by_role("main").get_by_role("status")).to_contain_text("Workstation offline")


def test_the_key_is_not_readable_where_it_is_kept(app: App, desk: Desk) -> None:
    kept = app.page.evaluate(
        """async () => {
          const texts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
          for (const { name } of await indexedDB.databases()) {
            const db = await new Promise((done) => {
              const open = indexedDB.open(name);
              open.onsuccess = () => done(open.result);
            });
            for (const store of db.objectStoreNames) {
              const all = await new Promise((done) => {
                const asked = db.transaction(store).objectStore(store).getAll();
                asked.onsuccess = () => done(asked.result);
              });
              for (const one of all) {
                const bytes = [one, ...Object.values(one ?? {})].filter(
                  (part) => part instanceof ArrayBuffer || ArrayBuffer.isView(part));
                texts.push(...bytes.map((part) => "ArrayBuffer " + new TextDecoder().decode(part)));
                texts.push(JSON.stringify(one));
              }
            }
          }
          return texts.join("\\n");
        }"""
    )
    assert "ArrayBuffer" in kept, "the test looks in the wrong place"
    assert desk.pairing.key not in kept


def test_a_reload_finds_the_workstation_again(app: App) -> None:
    app.page.reload()
    app.until_online()


def test_two_workstations_to_switch_between(
    new_app: NewApp, server: Server, desk: Desk, loop: LoopThread
) -> None:
    app = new_app(server.url, desk)
    with Desk(loop, server, name="Second", auth_key="second-key-0123456789") as second:
        app.pair_by_address(second)
        expect(app.page.get_by_text("Second").first).to_be_visible()
        app.phase.click()
        app.page.get_by_role("group", name="Connection details").get_by_role("button", name="Demo").click()
        app.until_online()
        desk.forget_what_it_got()
        app.enter("supervisor")
        app.say("hello")
        assert desk.until_got("supervisor.command")["payload"]["command"] == "hello"
        assert second.got("supervisor.command") == []


def test_two_workstations_of_one_name_are_told_apart_everywhere(
    new_app: NewApp, server: Server, desk: Desk, loop: LoopThread
) -> None:
    app = new_app(server.url, desk)
    first = desk.pairing.tunnel_id
    app.enter("supervisor")
    app.composer.fill("half a thought")
    with Desk(loop, server, auth_key="second-key-0123456789") as second:
        app.pair_by_address(second)
        app.phase.click()
        details = app.page.get_by_role("group", name="Connection details")
        expect(details.get_by_role("button", name=re.compile(first))).to_contain_text("1 draft")
        app.page.keyboard.press("Escape")
        app.go("#/settings")
        expect(app.page.get_by_role("main").get_by_role("listitem").filter(has_text=first)).to_have_count(1)
        app.page.keyboard.press("Control+k")
        app.page.get_by_role("combobox", name="Find or do something").fill(first)
        expect(app.page.get_by_role("option", name=re.compile("^Go to Demo"))).to_have_count(1)


def test_forgetting_removes_it_for_good(app: App) -> None:
    app.go("#/settings")
    app.button(re.compile("Workstations$")).click()
    app.page.get_by_role("menuitem", name="Forget").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(app.page.get_by_role("textbox", name="Pairing link or JSON")).to_be_visible()
    app.page.reload()
    expect(app.page.get_by_role("textbox", name="Pairing link or JSON")).to_be_visible()


def test_on_a_desk_the_page_shows_the_command_for_a_demo_and_goes_on_with_the_phone(
    new_app: NewApp, server: Server
) -> None:
    url = f"http://{INSECURE_HOST}:{server.port}"
    app = new_app(url, permissions=[])
    expect(app.page.get_by_role("img", name=f"QR code of {url}/")).to_be_visible()
    expect(app.page.get_by_text(f"tiflis demo --url ws://{INSECURE_HOST}:{server.port}/ws")).to_be_visible()
    app.button("Copy the command").click()
    expect(app.button("Copied")).to_be_visible()


def test_in_a_hand_the_camera_comes_first(new_app: NewApp, server: Server) -> None:
    phone = new_app(server.url, phone=True)
    box = phone.button("Scan QR").bounding_box()
    field = phone.page.get_by_role("textbox", name="Pairing link").bounding_box()
    assert box and field and box["y"] < field["y"]
    expect(phone.page.get_by_role("heading", name="No workstation yet?")).to_have_count(0)
