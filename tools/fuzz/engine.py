"""One target under atheris, in a process of its own: `python -m tools.fuzz.engine TARGET`."""

from __future__ import annotations

import shlex
import sys

import atheris


def main() -> None:
    atheris.enabled_hooks.add("str")  # the one for patterns takes none of bytes
    with atheris.instrument_imports(include=["tiflis"]):
        from tools.fuzz.targets import checked, quiet  # noqa: PLC0415 - instrumented as it is imported
    target = sys.argv.pop(1)
    # When libFuzzer minimises it runs "itself" again and again, by the first word, in a shell.
    sys.argv[0] = f"{shlex.quote(sys.executable)} -m tools.fuzz.engine {target}"
    with quiet() as errors:
        atheris.Setup(sys.argv, checked(target, errors))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
