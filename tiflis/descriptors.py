"""This process's file descriptors: the standard three, how many there may be, and when none is left."""

import errno
import logging
import os
import resource
import sys

log = logging.getLogger(__name__)

STANDARD = 3  # standard input, output and error


def open_standard() -> None:
    """Open `/dev/null` for each of descriptors 0 to 2 that is closed, before anything else is put there.

    A socket would otherwise become "standard error" and receive the log.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) < STANDARD:
        os.set_inheritable(opened, True)
    os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # for the process's life


def raise_limit() -> None:
    """Allow this process and its children as many open files as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        allowed = hard
    except (OSError, ValueError):  # some systems have a lower limit that they do not say
        pass
    log.info("open files allowed", extra={"now": allowed, "before": soft})


class Supply:
    """Notices when this process has no descriptor left, so that new sockets are closed unseen."""

    def __init__(self) -> None:
        self._spent = False

    def look(self, sockets: int) -> None:
        """Log once when none is left, and once when there are some again."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
            spent = False
        except OSError as problem:
            spent = problem.errno in (errno.EMFILE, errno.ENFILE)
        if spent == self._spent:
            return
        self._spent = spent
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if spent:
            log.error(
                "no open files left: new sockets are refused", extra={"allowed": limit, "sockets": sockets}
            )
        else:
            log.info("open files are left again", extra={"allowed": limit, "sockets": sockets})
