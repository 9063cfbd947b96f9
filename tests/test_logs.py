"""The log as a shipper and an operator read it."""

import contextlib
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patience import WALL_PATIENCE
from tiflis import logs
from tiflis.environment import wants_colours
from tiflis.log_bursts import Bursts

CANARY = "canary-0123456789"
Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as the test run had it, afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    bound = dict(logs._process_fields)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = before
    root.setLevel(level)
    logging.captureWarnings(False)
    logs.forget(CANARY)
    logs._process_fields.clear()
    logs._process_fields.update(bound)


@pytest.fixture
def written(tmp_path: Path, restored: None) -> Iterator[Lines]:
    """Installs the log into a file; call it to read the lines so far."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    logs.install(level="trace", form="json", secrets=[CANARY], descriptor=descriptor)
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    os.close(descriptor)


def test_a_record_is_one_object_with_time_level_event_and_fields(written: Lines) -> None:
    logs.bind(worker="w-0-x")
    logging.getLogger("tiflis.relay").info(
        "Client connected", extra={"tunnel": "t", "connection": 7, "bytes": 3}
    )
    (line,) = written()
    assert list(line) == ["time", "level", "event", "logger", "connection", "tunnel", "worker", "bytes"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line["time"]))
    assert (line["level"], line["event"], line["logger"]) == ("info", "client connected", "tiflis.relay")
    assert (line["connection"], line["tunnel"], line["worker"], line["bytes"]) == (7, "t", "w-0-x", 3)


def test_all_six_levels_have_their_names(written: Lines) -> None:
    for level in logs.LEVELS.values():
        logging.getLogger("tiflis").log(level, "event")
    assert [line["level"] for line in written()] == ["trace", "debug", "info", "warn", "error", "fatal"]


def test_nothing_below_the_level_is_written(written: Lines, tmp_path: Path) -> None:
    with (tmp_path / "other").open("wb") as file:
        logs.install(level="error", form="json", descriptor=file.fileno())
        logging.getLogger("tiflis").warning("quiet")
        logging.getLogger("sanic.error").warning("quiet")
        logging.getLogger("sanic.root").error("loud")
    assert "quiet" not in (tmp_path / "other").read_text()
    assert "loud" in (tmp_path / "other").read_text()


def fail_with_secrets() -> None:
    try:
        raise KeyError(f"key={CANARY}x")
    except KeyError:
        raise ValueError({"payload": CANARY}) from None


def without_the_runners_handlers() -> None:
    """The test runner's own handlers raise on a wrong log call."""
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logs.LineHandler)]


def log_everywhere() -> None:
    log = logging.getLogger("tiflis.new.module")
    log.info("a message with %s and %r", CANARY, {"auth_key": "canary"})
    log.info("%(token)s", {"token": "canary"})
    log.info(f'{{"payload": {{"text": "canary"}}}} {CANARY}')
    log.info(b"canary")
    log.info("%s", b"canary")
    log.info(
        "fields", extra={"auth_key": "canary", "data": b"canary", "note": CANARY, "error": ValueError(CANARY)}
    )
    log.info("nested", extra={"request": {"headers": {"Authorization": "Bearer canary"}}})
    log.info("too %s many", *("one", CANARY))
    log.info("GET /x?auth_key=canary")
    log.info("stack", stack_info=True)
    try:
        fail_with_secrets()
    except ValueError:
        log.exception("failed")
    logging.getLogger("sanic.error").error("Exception occurred while handling uri: '/w?auth_key=canary'")


def test_no_new_log_line_can_leak(written: Lines) -> None:
    without_the_runners_handlers()
    log_everywhere()
    lines = written()
    assert len(lines) == 12
    assert "canary" not in json.dumps(lines).replace("log_everywhere", "")
    assert "fail_with_secrets" in str(lines[-2]["traceback"])
    assert "ValueError" in str(lines[-2]["traceback"])


def test_a_library_that_brought_its_own_handler_loses_it(restored: None, tmp_path: Path) -> None:
    library = logging.getLogger("some.library")
    library.addHandler(logging.FileHandler(tmp_path / "bypass", delay=True))
    library.propagate = False
    with (tmp_path / "log").open("wb") as file:
        logs.install(form="json", descriptor=file.fileno())
        library.warning("heard")
    assert "heard" in (tmp_path / "log").read_text()
    assert not (tmp_path / "bypass").exists()


def test_what_cannot_be_shown_is_reported_without_its_arguments(written: Lines, capfd: object) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(CANARY)

    without_the_runners_handlers()
    logging.getLogger("tiflis").info("field", extra={"thing": Broken()})
    logging.getLogger("tiflis").info("argument %s", Broken())
    assert isinstance(capfd, pytest.CaptureFixture)
    assert capfd.readouterr().err == ""
    lines = written()
    assert [line["event"] for line in lines] == [
        "log record cannot be shown",
        "argument %s (arguments do not fit)",
    ]


def test_uncaught_exceptions_threads_and_warnings_go_the_same_way(written: Lines) -> None:
    problem = ValueError(CANARY)
    sys.excepthook(ValueError, problem, None)
    thread = threading.Thread(target=fail_with_secrets)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARY, stacklevel=1)
    lines = written()
    assert [line["level"] for line in lines] == ["fatal", "error", "warn"]
    assert "canary" not in json.dumps(lines)


def test_the_access_log_is_off_unless_asked_for(written: Lines, tmp_path: Path) -> None:
    logging.getLogger("sanic.access").critical("", extra={"request": "GET /x?token=canary", "status": 200})
    assert written() == []
    with (tmp_path / "access").open("wb") as file:
        logs.install(form="json", access_log=True, descriptor=file.fileno())
        logging.getLogger("sanic.access").info("", extra={"request": "GET /x?token=canary", "status": 200})
    line = json.loads((tmp_path / "access").read_text())
    assert (line["request"], line["status"]) == ("GET /x?<query>", 200)


def test_a_line_never_outgrows_what_a_pipe_keeps_whole(written: Lines, tmp_path: Path) -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
            return
        raise ValueError("é " * 5000)

    try:
        deep(90)
    except ValueError:
        logging.getLogger("tiflis").exception(
            "deep", extra={f"f{number}": "é " * 500 for number in range(20)}
        )
    logging.getLogger("tiflis").info("é " * 5000, extra={"tunnel": "é" * 5000})
    assert [line["level"] for line in written()] == ["error", "info"]
    assert all(
        len(line) <= logs.LINE_LIMIT for line in (tmp_path / "log").read_bytes().splitlines(keepends=True)
    )


def test_text_is_for_people_and_keeps_control_characters_out(restored: None, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        logs.install(form="text", descriptor=file.fileno())
        logging.getLogger("tiflis").warning("odd\n\x1b[2Jpeer", extra={"tunnel": "t\r\nx"})
    text = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} WARN  odd\\n\\x1b\[2Jpeer  tunnel=t\\r\\nx\n", text)


@pytest.mark.parametrize(
    ("no_color", "shown"), [("", b"\x1b[31mERROR\x1b[0m visible"), ("1", b" ERROR visible")]
)
def test_a_terminal_gets_colours_unless_they_are_unwanted(
    restored: None, monkeypatch: pytest.MonkeyPatch, no_color: str, shown: bytes
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    ours, theirs = os.openpty()
    logs.install(descriptor=theirs, colours=wants_colours())
    logging.getLogger("tiflis").error("visible")
    assert shown in os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)


def test_a_full_disk_costs_the_line_and_nothing_else(restored: None) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        logs.install(form="json", descriptor=full.fileno())
        logging.getLogger("tiflis").error("lost")
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logs.LineHandler)
        assert handler.lost == 1


WRITER = """
    import logging, sys
    from tiflis import logs
    logs.install(form="json", descriptor=1)
    fields = {"writer": sys.argv[1], "fill": "x " * 500}
    for number in range(300):
        logging.getLogger("tiflis").info("line", extra={**fields, "n": number})
"""


def test_lines_of_several_processes_never_mix() -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-c", textwrap.dedent(WRITER)]
    writers = [subprocess.Popen([*command, str(number)], stdout=writing) for number in range(3)]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [json.loads(line) for line in pipe]
    assert [writer.wait(timeout=WALL_PATIENCE) for writer in writers] == [0, 0, 0]
    for writer in "012":
        assert [line["n"] for line in lines if line["writer"] == writer] == list(range(300))


@pytest.fixture
def unread(restored: None) -> Iterator[tuple[int, int]]:
    """A pipe that is full and that nothing reads: both of its ends."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    yield reading, writing
    os.close(writing)


def read_all(reading: int, until: str) -> list[dict[str, object]]:
    """Return the lines that come until one holds this text."""
    lines = []
    with os.fdopen(reading) as pipe:
        for line in filter(str.strip, pipe):
            lines.append(json.loads(line))
            if until in line:
                break
    return lines


def test_a_reader_that_stops_costs_lines_and_never_time(unread: tuple[int, int]) -> None:
    reading, writing = unread
    logs.install(form="json", descriptor=writing, queue_bytes=20_000)
    for number in range(1000):
        logging.getLogger("tiflis").info("line", extra={"n": number})
    lost = logs.lost()
    assert 0 < lost < 1000
    lines = read_all(reading, until="lines lost")
    assert [line["n"] for line in lines[:-1]] == list(range(1000 - lost))
    assert lines[-1]["lines"] == lost


def test_a_reader_that_is_back_gets_what_is_new_after_the_word_of_the_loss(unread: tuple[int, int]) -> None:
    reading, writing = unread
    logs.install(form="json", descriptor=writing, queue_bytes=2_000)
    for _ in range(100):
        logging.getLogger("tiflis").info("old")
    threading.Timer(0.1, lambda: logging.getLogger("tiflis").info("new")).start()
    os.read(reading, 2**20)
    events = [line["event"] for line in read_all(reading, until='"new"')]
    assert events[-2:] == ["log lines lost: nothing took them", "new"]


STUCK = """
    import logging, sys
    from tiflis import logs
    logs.install(form="json")
    logs.take_streams()
    for number in range(2000):
        print("printed", "x" * 100)
        logging.getLogger("tiflis").info("line")
    if sys.argv[1] == "raise":
        raise SystemExit("said at the end")
"""


@pytest.mark.parametrize("end", ["return", "raise"])
def test_a_process_ends_though_nothing_reads_what_it_says(unread: tuple[int, int], end: str) -> None:
    reading, writing = unread
    command = [sys.executable, "-c", textwrap.dedent(STUCK), end]
    process = subprocess.Popen(command, stdout=writing, stderr=writing)
    assert process.wait(timeout=WALL_PATIENCE) == (end == "raise")
    assert os.get_blocking(writing), "the others that share the pipe notice nothing"
    os.close(reading)


def test_what_is_printed_becomes_log_lines(tmp_path: Path) -> None:
    script = "from tiflis import logs; logs.install(); logs.take_streams(); print('one'); print('t', 'wo')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=WALL_PATIENCE, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["logger"]) for line in lines] == [("one", "stdout"), ("t wo", "stdout")]
    assert done.stdout == b""


def test_a_reader_that_has_gone_costs_nothing_but_the_lines(restored: None) -> None:
    reading, writing = os.pipe()
    logs.install(form="json", descriptor=writing)
    os.close(reading)
    for _ in range(3):
        logging.getLogger("tiflis").info("to nobody")
    assert logs.lost() == 3
    os.close(writing)


def test_a_line_that_a_full_disk_cut_off_does_not_spoil_the_next(restored: None, tmp_path: Path) -> None:
    path = tmp_path / "log"
    room = """
import logging, resource, signal
from tiflis import logs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
logs.install(form="json")
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
for number in range(3):
    logging.getLogger("tiflis").info("lost", extra={"n": number})
logs.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
logging.getLogger("tiflis").info("whole")
"""
    with path.open("ab") as file:
        subprocess.run([sys.executable, "-c", room], stderr=file, timeout=WALL_PATIENCE, check=True)
    *_, notice, last = path.read_text().splitlines()
    assert (json.loads(notice)["lines"], json.loads(last)["event"]) == (2, "whole")


def test_lines_that_strangers_cause_are_few_and_their_number_is_told(restored: None, tmp_path: Path) -> None:
    now = [0.0]
    bursts = Bursts(3, clock=lambda: now[0])
    with (tmp_path / "log").open("wb") as file:
        handler = logs.LineHandler(file.fileno(), bursts=bursts)
        handler.setFormatter(logs.JsonLines())
        logging.getLogger().handlers[:] = [handler]
        for number in range(100):
            logging.getLogger("tiflis").warning("protocol error", extra={"n": number})
        logging.getLogger("tiflis").warning("another event")
        now[0] = 60.0
        logs.sum_up()
        logging.getLogger("tiflis").warning("later")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        *["protocol error"] * 3, "another event", "more lines of one event left out", "later",
    ]  # fmt: skip
    assert (lines[4]["like"], lines[4]["lines"]) == ("protocol error", 97)
