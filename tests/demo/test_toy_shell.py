"""The toy shell without a socket: what is typed, what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiflis_workstation.line_editor import LineEditor, width
from tiflis_workstation.toy_commands import BIG_LINES, COMMANDS
from tiflis_workstation.toy_shell import PROMPT, ToyShell

TIME = 1_790_000_000.0
UP, DOWN, LEFT, HOME = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[H"


@pytest.fixture
def shell() -> ToyShell:
    return ToyShell(lambda: TIME, 80, 24)


def play(shell: ToyShell) -> str:
    """Let the running program come to its end."""
    assert shell.program is not None
    shown = "".join(text for _, text in shell.program)
    return shown + shell.finished()


def test_what_is_typed_is_echoed(shell: ToyShell) -> None:
    assert shell.feed("echo hi") == "echo hi"


def test_a_command_answers_and_prompts_again(shell: ToyShell) -> None:
    assert shell.feed("echo 'a  b'\r").endswith(f"\r\na  b\r\n{PROMPT}")


@pytest.mark.parametrize("enter", ["\r", "\n", "\r\n"])
def test_every_kind_of_enter_runs_the_line_once(shell: ToyShell, enter: str) -> None:
    assert shell.feed(f"echo hi{enter}").count("\r\nhi\r\n") == 1


def test_backspace_takes_a_whole_character(shell: ToyShell) -> None:
    assert "\r\nab\r\n" in shell.feed("echo a日\x7fb\r")


def test_backspace_at_the_prompt_does_nothing(shell: ToyShell) -> None:
    assert shell.feed("\x7f\x7f") == ""


def test_the_arrows_edit_in_the_middle(shell: ToyShell) -> None:
    assert "\r\nabc\r\n" in shell.feed(f"echo ac{LEFT}b\r")
    assert "\r\nx\r\n" in shell.feed(f"cho x{HOME}e\r")


def test_the_arrows_recall_earlier_lines(shell: ToyShell) -> None:
    shell.feed("echo one\recho two\r")
    assert "\r\none\r\n" in shell.feed(f"{UP}{UP}\r")
    assert "\r\none\r\n" in shell.feed(f"{UP}\r")
    assert shell.feed(f"{UP}{DOWN}x\r").endswith(f"no such command, try help\r\n{PROMPT}")


def test_an_escape_sequence_may_come_in_pieces(shell: ToyShell) -> None:
    shell.feed("echo one\r")
    assert shell.feed("\x1b") == ""
    assert shell.feed("[") == ""
    assert "echo one" in shell.feed("A")


def test_an_endless_escape_sequence_is_thrown_away(shell: ToyShell) -> None:
    shell.feed("\x1b[" + "1;" * 100)
    assert "\r\nok\r\n" in shell.feed("\x03echo ok\r")


@pytest.mark.parametrize("broken", ["\x1b", "\x1b[", "\x1b[1;", "\x1bO", "\x1b\x1b[1", "\x1b[é"])
def test_ctrl_c_counts_after_a_broken_escape_sequence(shell: ToyShell, broken: str) -> None:
    assert shell.feed(f"rubbish{broken}\x03").endswith(f"^C\r\n{PROMPT}")


def test_alt_and_pasting_leave_nothing_behind(shell: ToyShell) -> None:
    assert "\r\nhi\r\n" in shell.feed("\x1bx\x1b[200~echo hi\x1b[201~\r")


def test_ctrl_c_drops_the_line(shell: ToyShell) -> None:
    assert shell.feed("rubbish\x03").endswith(f"^C\r\n{PROMPT}")
    assert shell.feed("\r") == f"\r\n{PROMPT}"


def test_ctrl_c_stops_a_program(shell: ToyShell) -> None:
    shell.feed("top\r")
    assert shell.program is not None
    assert shell.feed("\x03") == f"^C\r\n{PROMPT}"
    assert shell.program is None


def test_ctrl_c_forgets_what_was_typed_ahead(shell: ToyShell) -> None:
    shell.feed("top\recho later\r\x03count\r")
    assert "later" not in play(shell)


def test_ctrl_d_leaves_only_from_an_empty_line(shell: ToyShell) -> None:
    shell.feed("x\x04")
    assert not shell.closed
    assert shell.feed("\x7f\x04").endswith("logout\r\n")
    assert shell.closed
    assert shell.feed("echo hi\r") == ""


def test_what_is_typed_ahead_runs_after_the_program(shell: ToyShell) -> None:
    shell.feed("count\r")
    assert shell.feed("echo later\r") == ""
    assert play(shell).endswith(f"\r\nlater\r\n{PROMPT}")


def test_two_programs_in_one_input_run_one_after_the_other(shell: ToyShell) -> None:
    shell.feed("count\rcount\r")
    play(shell)
    assert play(shell).endswith(PROMPT)


def test_big_is_ten_thousand_lines(shell: ToyShell) -> None:
    shell.feed("big\r")
    assert play(shell).count("=\n") + 200 == BIG_LINES  # every 50th has no bar


def test_tab_completes_the_only_fitting_command(shell: ToyShell) -> None:
    assert shell.feed("uni\t").endswith("unicode ")
    assert shell.feed("\x03c\t").endswith("\a")


def test_a_broken_quotation_is_a_message(shell: ToyShell) -> None:
    assert "No closing quotation" in shell.feed("echo 'x\r")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_command_leaves_a_bare_line_feed(shell: ToyShell, name: str) -> None:
    assert "\n" not in shell.feed(f"{name}\r").replace("\r\n", "")


def test_help_names_every_command(shell: ToyShell) -> None:
    shown = shell.feed("help\r")
    assert all(name in shown for name in COMMANDS)


def test_a_long_line_scrolls_and_never_wraps() -> None:
    editor = LineEditor("$ ", 2, 20)
    drawn = [editor.press(character) for character in "0123456789" * 5]
    assert max(width(one.partition("\x1b[K")[0].lstrip("\r")) for one in drawn) < 20
    assert editor.take() == "0123456789" * 5


def test_wide_and_combining_characters_have_their_width() -> None:
    assert (width("日本"), width("e\u0301"), width("abc")) == (4, 1, 3)


KEYS = "ab日é \t\r\n\x7f\x03\x04\x0c\x15\x17\x01\x05\x1b[]O;1~ABCDHF'\\"
TYPED = st.text(st.sampled_from(KEYS), max_size=80)


@settings(deadline=None)
@given(st.lists(TYPED | st.just("\x1b[" + "1;" * 20), max_size=6))
def test_any_input_shows_the_same_however_it_is_cut(pieces: list[str]) -> None:
    cut, whole = ToyShell(lambda: TIME, 40, 24), ToyShell(lambda: TIME, 40, 24)
    assert "".join(map(cut.feed, pieces)) == whole.feed("".join(pieces))
