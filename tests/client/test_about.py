"""What the client says of itself: its language, versions and licences, and the offer to install it."""

from __future__ import annotations

import json
import struct

from playwright.sync_api import expect

import tiflis
from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

PNG_SIZE = slice(16, 24)  # bytes of a PNG that hold its width and height


def test_a_german_browser_reads_german_from_the_first_screen_on(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url, locale="de-AT")
    expect(app.page.get_by_role("heading", level=1)).to_have_text("Deine Agenten in der Tasche")
    expect(app.page.locator("html")).to_have_attribute("lang", "de")


def test_another_language_is_chosen_in_the_settings_and_kept(app: App) -> None:
    app.go("#/settings")
    app.page.get_by_role("combobox", name="Language").select_option("Español")
    expect(app.page.get_by_role("heading", level=1)).to_have_text("Ajustes")
    app.page.reload()
    expect(app.page.get_by_role("heading", level=1)).to_have_text("Ajustes")


def test_english_readers_load_no_other_language(app: App) -> None:
    loaded = app.page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    assert not [name for name in loaded if "/de-" in name or "/es-" in name]


def test_versions_licences_and_diagnostics_stand_in_the_settings(app: App, desk: Desk) -> None:
    app.go("#/settings")
    expect(app.page.get_by_role("definition").filter(has_text=tiflis.__version__).first).to_be_visible()
    address = app.page.get_by_role("link", name="Licences of what is built in").get_attribute("href")
    licences = app.page.request.get(f"{app.visitor.url}/{address}")
    for package in ("react 1", "@xterm/xterm", "tailwindcss", "MIT License"):
        assert package in licences.text()
    app.button("Copy diagnostics").click()
    expect(app.button("Copied")).to_be_visible()
    told = app.page.evaluate("navigator.clipboard.readText()")
    assert json.loads(told)["phase"] == "verified"
    for secret in (desk.pairing.key, desk.pairing.tunnel_id):
        assert secret not in told


def test_the_browsers_offer_to_install_stands_in_the_settings(app: App) -> None:
    app.go("#/settings")
    expect(app.page.get_by_role("heading", name="About")).to_be_visible()
    expect(app.button("Install this app")).to_have_count(0)
    app.page.evaluate(
        """() => {
          const offer = new Event('beforeinstallprompt', { cancelable: true });
          offer.prompt = async () => { window.__asked = true };
          window.dispatchEvent(offer);
        }"""
    )
    app.button("Install this app").click()
    assert app.page.evaluate("window.__asked")
    expect(app.button("Install this app")).to_have_count(0)


def test_the_manifest_has_shortcuts_and_pictures_of_their_size(app: App) -> None:
    manifest = app.page.request.get(f"{app.visitor.url}/manifest.webmanifest").json()
    assert {one["url"] for one in manifest["shortcuts"]} == {"./#/s/supervisor", "./#/new"}
    assert {one["form_factor"] for one in manifest["screenshots"]} == {"wide", "narrow"}
    for picture in manifest["screenshots"]:
        body = app.page.request.get(f"{app.visitor.url}/{picture['src']}").body()
        assert "x".join(map(str, struct.unpack(">II", body[PNG_SIZE]))) == picture["sizes"]
