"""Scenes, performances, history and sounds, without a clock or a socket."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from tiflis_workstation.blocks import Block, block, plain_text
from tiflis_workstation.history import Entry, History
from tiflis_workstation.performance import perform
from tiflis_workstation.scenes import MIXED, SCENES, Scene, choose, guide
from tiflis_workstation.sound import SHELF_SOUNDS, Sound, SoundShelf, melody

ALL = (*SCENES, MIXED)


def spoken(block_id: str, text: str) -> Block:
    return block(block_id, "voice_output", text)


def snapshots(name: str, seed: int = 1) -> list[tuple[float, list[Block]]]:
    steps = choose(name).steps(name)
    return list(perform(steps, random.Random(seed), "answer", spoken))


@pytest.mark.parametrize("scene", ALL, ids=lambda scene: scene.name)
def test_every_snapshot_repeats_what_was_before(scene: Scene) -> None:
    shown = [blocks for _, blocks in snapshots(scene.name)]
    for earlier, later in itertools.pairwise(shown):
        assert [one["id"] for one in earlier] == [one["id"] for one in later[: len(earlier)]]
        assert all(b["content"].startswith(a["content"]) for a, b in zip(earlier, later, strict=False))


@pytest.mark.parametrize("scene", ALL, ids=lambda scene: scene.name)
def test_no_block_holds_a_null(scene: Scene) -> None:
    assert "null" not in json.dumps(snapshots(scene.name)[-1][1])


def test_the_same_seed_plays_the_same() -> None:
    assert snapshots("tool", 7) == snapshots("tool", 7)
    assert snapshots("tool", 7) != snapshots("tool", 8)


def test_a_long_answer_is_about_a_hundred_and_twenty_snapshots() -> None:
    assert 80 <= len(snapshots("long")) <= 160


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_is_found_by_its_words_in_a_sentence(scene: Scene) -> None:
    for word in scene.words:
        assert choose(f"Xyz, {word.upper()}!") is scene


def test_other_words_get_a_bit_of_everything() -> None:
    assert choose("გამარჯობა") is MIXED
    kinds = {one["block_type"] for one in snapshots("anything")[-1][1]}
    assert kinds == {"thinking", "text", "tool", "code", "action_buttons"}


def test_markup_in_the_prompt_is_quoted_as_text() -> None:
    text = snapshots("<b>*x*</b>")[-1][1][1]["content"]
    assert r"\<b\>\*x\*\</b\>" in text


def test_the_guide_has_a_line_for_every_scene() -> None:
    assert len(guide().splitlines()) == len(ALL)


def test_plain_text_has_words_and_code_only() -> None:
    blocks = [
        block("1", "text", "Look:"),
        block("2", "thinking", "hm"),
        block("3", "code", "x", language="py"),
    ]
    assert plain_text(blocks) == "Look:\n\n```py\nx\n```"


def entries(count: int) -> list[Entry]:
    return [
        Entry(f"m{number}", number, "user", "x", "2026-01-01T00:00:00Z") for number in range(1, count + 1)
    ]


def test_a_page_holds_the_newest_twenty_oldest_first() -> None:
    page = History(entries(45)).page()
    assert [one["sequence"] for one in page["history"]] == list(range(26, 46))
    assert (page["has_more"], page["oldest_sequence"], page["newest_sequence"]) == (True, 26, 45)


@pytest.mark.parametrize(("limit", "size"), [(None, 20), (5, 5), (50, 50), (999, 50), (0, 1), (-3, 1)])
def test_a_page_is_never_larger_than_fifty(limit: int | None, size: int) -> None:
    assert len(History(entries(60)).page(None, limit)["history"]) == size


def test_the_first_page_has_nothing_before_it() -> None:
    page = History(entries(45)).page(before=6)
    assert (len(page["history"]), page["has_more"]) == (5, False)
    assert History(entries(20)).page()["has_more"] is False
    assert History().page() == {"history": [], "has_more": False}


def test_a_melody_is_the_same_for_the_same_words() -> None:
    assert melody("all is well") == melody("all is well")
    assert melody("all is well") != melody("nothing is well")
    assert melody("").seconds


def test_the_shelf_keeps_the_latest_sounds() -> None:
    shelf = SoundShelf()
    for number in range(SHELF_SOUNDS + 1):
        shelf.put(f"m{number}", "input", Sound("AAAA", "wav"))
    assert shelf.get("m0", "input") is None
    assert shelf.get(f"m{SHELF_SOUNDS}", "input") is not None
    assert shelf.get(f"m{SHELF_SOUNDS}", "output") is None


def test_the_shelf_gives_way_to_large_recordings() -> None:
    shelf = SoundShelf()
    for number in range(3):
        shelf.put(f"m{number}", "input", Sound("A" * 30 * 2**20, "wav"))
    assert [shelf.get(f"m{number}", "input") is not None for number in range(3)] == [False, True, True]
