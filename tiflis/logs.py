"""The log: one line a record, JSON for a shipper or text for a terminal, from which no secret can leak.

Code logs by the standard library: ``log.info("client connected", extra={"tunnel": tunnel_id})``.
Every logger of the process ends in one handler, and only that handler writes.
"""

import contextlib
import functools
import io
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from tiflis.log_bursts import Bursts
from tiflis.log_output import QUEUE_BYTES, LogOutput, reopened
from tiflis.log_schemas import SCHEMAS, Line, pid_apart, plain
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
STDOUT, STDERR = 1, 2
FLUSH_SECONDS = 0.5  # a stop waits so long for a reader that takes nothing
_OFF = FATAL + 1
_STANDARD = {*RESERVED_ATTRS, "taskName", "color_message", "verbosity"}
_FIRST = ("connection", "tunnel", "worker")  # of the extra fields; the rest follows as given
_COLOURS = {"trace": "2", "debug": "36", "info": "32", "warn": "33", "error": "31", "fatal": "1;31"}
# Libraries, with the least level that is logged; below it is what only a debugger needs.
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
    """Add these fields, such as the worker id, to every further line of this process."""
    _process_fields.update(fields)


@functools.cache
def level_name(level: int) -> str:
    """Return the name of the highest level that is not above this one."""
    return next((name for name, number in reversed(LEVELS.items()) if number <= level), "trace")


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def shape(record: logging.LogRecord) -> dict[str, Any]:
    """Return the record as the fields of a line, all of it redacted."""
    line: dict[str, Any] = {
        "time": f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03d}Z",
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
    """Return the message with its arguments, in lower case as all events are; bytes and named secrets stay
    out."""
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
    """Return the traceback: our source lines as they are, what the exceptions say redacted."""
    parts = traceback.TracebackException.from_exception(problem, capture_locals=False).format(chain=True)
    return "".join(
        redactor.secrets_out(part) if part.startswith("  File ") else redactor.text(part.rstrip("\n")) + "\n"
        for part in parts
    ).rstrip()


class JsonLines(JsonFormatter):
    """One JSON object a line, at most LINE_LIMIT bytes, in one of the SCHEMAS."""

    def __init__(self, arrange: Callable[[Line], Line] = plain) -> None:
        super().__init__()
        self._arrange = arrange

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a long traceback loses its start, a long line its extra fields."""
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
        return str(self.jsonify_log_record(self._arrange(line)))  # ASCII only, so characters are bytes


class TextLines(logging.Formatter):
    """A line for people: time, level, event, fields; a traceback follows on lines of its own."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters escaped so that what a peer sent cannot paint the
        terminal."""
        line = shape(record)
        moment, level, event = line.pop("time")[11:-1], line.pop("level"), line.pop("event")
        below = [line.pop(name) for name in ("traceback", "stack") if name in line]
        line.pop("logger")
        fields = " ".join(f"{name}={_printable(value)}" for name, value in line.items())
        label = self._paint(level.upper().ljust(5), _COLOURS[level])
        head = f"{self._paint(moment, '2')} {label} {_printable(event)}"
        return "\n".join((f"{head}  {self._paint(fields, '2')}" if fields else head, *below))

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


class LineHandler(logging.Handler):
    """Hands each record's line to the output: never waits, never raises, and counts what is lost."""

    def __init__(self, descriptor: int, queue_bytes: int = QUEUE_BYTES, bursts: Bursts | None = None) -> None:
        super().__init__()
        self._output = LogOutput(descriptor, self._notice, queue_bytes)
        self._bursts = bursts

    @property
    def lost(self) -> int:
        """Return the number of lines that were dropped."""
        return self._output.lost

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; a full disk, a closed pipe or a reader that stopped costs the line, not the
        request."""
        try:
            if self._bursts is not None and record.levelno < FATAL and record.name != "sanic.access":
                self.sum_up()
                if not self._bursts.admits(record):
                    return
            self._put(record)
        except Exception:  # noqa: BLE001 - no memory, no thread: the line is lost
            self._output.lose()

    def sum_up(self, at_once: bool = False) -> None:
        """Say how many lines were left out in the minutes that are over."""
        if self._bursts is not None and self.lock is not None:
            with self.lock:
                for summary in self._bursts.summaries(at_once):
                    self._put(summary)

    def flush(self) -> None:
        """Write everything before the end, and wait for it at most FLUSH_SECONDS."""
        self.sum_up(at_once=True)
        self._output.flush(FLUSH_SECONDS)

    def close(self) -> None:
        self._output.close()
        super().close()

    def _put(self, record: logging.LogRecord) -> None:
        if self._output.full:
            self._output.lose()
        else:
            self._output.put(self._line(record))

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - the default would print the arguments unredacted
            where = (record.name, logging.ERROR, record.pathname, record.lineno)
            line = self.format(logging.LogRecord(*where, "log record cannot be shown", None, None))
        return line.encode("utf-8", "backslashreplace") + b"\n"

    def _notice(self, count: int) -> bytes:
        text = "log lines lost: nothing took them"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
        record.__dict__["lines"] = count
        return self._line(record)


class _LoggedStream(io.TextIOBase):
    """Stands in for stdout or stderr: what is printed becomes log lines."""

    def __init__(self, name: str, level: int, descriptor: int) -> None:
        self._log, self._level, self._line = logging.getLogger(name), level, ""
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > LINE_LIMIT:
            lines.append(self._line)
            self._line = ""
        for line in filter(str.strip, lines):
            self._log.log(self._level, "%s", line)
        return len(text)

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a class attribute there, but never set
        return "utf-8"

    def fileno(self) -> int:
        """Return the descriptor, for code that writes without Python, such as faulthandler."""
        return self._descriptor


def take_streams() -> None:
    """Have nothing in this process wait for the readers of stdout and stderr any more.

    What Python prints becomes log lines. The descriptors 1 and 2, which libraries in C and a crash write to,
    are replaced by non-blocking ones of our own, as far as the system gives us any.
    """
    for descriptor in (STDOUT, STDERR):
        own = reopened(descriptor)
        if own is not None:
            os.dup2(own, descriptor)
            os.close(own)
    sys.stdout = _LoggedStream("stdout", logging.INFO, STDOUT)
    sys.stderr = _LoggedStream("stderr", logging.WARNING, STDERR)


def sum_up() -> None:
    """Write the summaries that are due; to be called every few seconds."""
    for handler in _handlers():
        handler.sum_up()


def lost() -> int:
    """Return how many lines this process has dropped."""
    return sum(handler.lost for handler in _handlers())


def flush() -> None:
    """Write what waits, before os._exit; an ordinary end does it by itself."""
    for handler in _handlers():
        handler.flush()


def _handlers() -> list[LineHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, LineHandler)]


def install(
    level: str = "info",
    form: Literal["auto", "json", "text", "ecs", "otel"] = "auto",
    secrets: Iterable[str] = (),
    access_log: bool = False,
    descriptor: int = STDERR,
    queue_bytes: int = QUEUE_BYTES,
    lines_a_minute: int | None = None,
    colours: bool = True,
) -> None:
    """Make one handler the end of every logger.

    `lines_a_minute`: of one event, None for any number; the levels debug and trace show all of
    them. `colours`: on a terminal.

    Build Sanic with ``configure_logging=False``, or it adds handlers of its own.
    """
    for secret in secrets:
        conceal(secret)
    for name, number in LEVELS.items():
        logging.addLevelName(number, name.upper())
    terminal = _is_terminal(descriptor)
    limited = lines_a_minute is not None and LEVELS[level] >= logging.INFO
    handler = LineHandler(descriptor, queue_bytes, Bursts(lines_a_minute or 1) if limited else None)
    text = form == "text" or (form == "auto" and terminal)
    handler.setFormatter(
        TextLines(colour=terminal and colours) if text else JsonLines(SCHEMAS.get(form, plain))
    )
    root = logging.getLogger()
    for former in _handlers():
        former.close()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, LEVELS[level]))
    logging.getLogger("sanic.server").filters[:] = [pid_apart]
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
