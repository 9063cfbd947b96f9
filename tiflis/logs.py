"""The log: one line a record, JSON for a shipper or text for a terminal, from which no secret can leak.

Code logs by the standard library: ``log.info("client connected", extra={"tunnel": tunnel_id})``.
Every logger of the process ends in one handler, and only that handler writes.
"""

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from tiflis.redaction import TEXT_LIMIT, Redactor

TRACE, FATAL = 5, logging.CRITICAL
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": FATAL,
}
LINE_LIMIT = 4096  # bytes (PIPE_BUF): a pipe keeps lines of several processes whole up to here
STDERR = 2
_OFF = FATAL + 1
_STANDARD = {*RESERVED_ATTRS, "taskName", "color_message", "verbosity"}
_FIRST = ("connection", "tunnel", "worker")  # of the extra fields; the rest follows as given
_COLOURS = {"trace": "2", "debug": "36", "info": "32", "warn": "33", "error": "31", "fatal": "1;31"}
# Libraries, with the least level at which they are heard; below it they tell what only a debugger wants.
_LIBRARIES = {
    "sanic.root": logging.WARNING,
    "sanic.error": logging.INFO,
    "sanic.server": logging.INFO,
    "sanic.websockets": logging.WARNING,
    "asyncio": logging.INFO,
    "nats": logging.INFO,
}

redactor = Redactor()
conceal = redactor.conceal
forget = redactor.forget
_process_fields: dict[str, str] = {}


def bind(**fields: str) -> None:
    """From now on every line of this process carries these fields, such as its worker id."""
    _process_fields.update(fields)


def level_name(level: int) -> str:
    """The name of the highest level that is not above this one."""
    return next((name for name, number in reversed(LEVELS.items()) if number <= level), "trace")


def shape(record: logging.LogRecord) -> dict[str, Any]:
    """The record as the fields of a line, all of it redacted."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": level_name(record.levelno),
        "event": _event(record),
        "logger": record.name,
    }
    extras = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    extras = {**_process_fields, **extras}
    for name in (
        *(name for name in _FIRST if name in extras),
        *(name for name in extras if name not in _FIRST),
    ):
        line.setdefault(name, redactor.field(name, extras[name]))
    if record.exc_info and record.exc_info[1] is not None:
        line["traceback"] = _traceback(record.exc_info[1])
    if record.stack_info:
        line["stack"] = redactor.secrets_out(record.stack_info)
    return line


def _event(record: logging.LogRecord) -> str:
    """The message with its arguments, in lower case as all events are; bytes and named secrets stay out."""
    try:
        if isinstance(record.args, dict):
            text = str(record.msg) % redactor.value(record.args)
        elif record.args:
            text = str(record.msg) % tuple(_argument(value) for value in record.args)
        else:
            text = str(record.msg)
    except Exception:  # noqa: BLE001 - a wrong log call must neither raise nor show its arguments
        text = f"{record.msg} (arguments do not fit)"
    text = redactor.text(text)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _argument(value: object) -> object:
    return (
        redactor.value(value)
        if isinstance(value, bytes | bytearray | memoryview | dict | list | tuple)
        else value
    )


def _traceback(problem: BaseException) -> str:
    """The traceback: our source lines as they are, what the exceptions say redacted."""
    parts = traceback.TracebackException.from_exception(problem, capture_locals=False).format(chain=True)
    return "".join(
        redactor.secrets_out(part) if part.startswith("  File ") else redactor.text(part.rstrip("\n")) + "\n"
        for part in parts
    ).rstrip()


class JsonLines(JsonFormatter):
    """One JSON object a line, at most LINE_LIMIT bytes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a long traceback loses its start, a long line its extra fields."""
        line = shape(record)
        text = self._dump(line)
        if len(text) >= LINE_LIMIT and "traceback" in line:
            line["traceback"] = "…" + line["traceback"][-2 * TEXT_LIMIT :]
            text = self._dump(line)
        if len(text) >= LINE_LIMIT:
            kept = ("time", "level", "event", "logger", *_FIRST)
            line = {name: value for name, value in line.items() if name in kept and len(str(value)) < 512}
            text = self._dump({**line, "truncated": True})
        return text

    def _dump(self, line: dict[str, Any]) -> str:
        return str(self.jsonify_log_record(line))  # ASCII only, so characters are bytes


class TextLines(logging.Formatter):
    """A line for people: time, level, event, fields; a traceback follows on lines of its own."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, with control characters escaped so that what a peer sent cannot paint the terminal."""
        line = shape(record)
        time, level, event = line.pop("time")[11:-1], line.pop("level"), line.pop("event")
        below = [line.pop(name) for name in ("traceback", "stack") if name in line]
        line.pop("logger")
        fields = " ".join(f"{name}={_printable(value)}" for name, value in line.items())
        label = self._paint(level.upper().ljust(5), _COLOURS[level])
        head = f"{self._paint(time, '2')} {label} {_printable(event)}"
        return "\n".join((f"{head}  {self._paint(fields, '2')}" if fields else head, *below))

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


class LineHandler(logging.Handler):
    """Writes each record with one system call, so that lines of several processes never mix."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a full disk or a closed pipe costs the line, not the request."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - the default would print the arguments unredacted
            line = f'{{"level":"error","event":"log record cannot be shown","logger":"{record.name}"}}'
        try:
            os.write(self._descriptor, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            self.lost += 1


def install(
    level: str = "info",
    form: Literal["auto", "json", "text"] = "auto",
    secrets: Iterable[str] = (),
    access_log: bool = False,
    descriptor: int = STDERR,
) -> None:
    """Makes one handler the end of every logger.

    Build Sanic with ``configure_logging=False``, or it adds handlers of its own.
    """
    for secret in secrets:
        conceal(secret)
    for name, number in LEVELS.items():
        logging.addLevelName(number, name.upper())
    terminal = _is_terminal(descriptor)
    handler = LineHandler(descriptor)
    handler.setFormatter(
        TextLines(colour=terminal) if form == "text" or (form == "auto" and terminal) else JsonLines()
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, LEVELS[level]))
    logging.getLogger("sanic.access").setLevel(logging.INFO if access_log else _OFF)
    logging.captureWarnings(True)
    sys.excepthook = _unexpected
    threading.excepthook = _unexpected_in_thread
    sys.unraisablehook = _unraisable


def _is_terminal(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        return os.isatty(descriptor)
    return False


def _unexpected(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("tiflis").critical("unexpected end", exc_info=(kind, problem, trace))


def _unexpected_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("tiflis").error("thread ended unexpectedly", exc_info=info)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("tiflis").error("exception in a finalizer", exc_info=info)
