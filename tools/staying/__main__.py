"""Measure devices that stay at a real server: resume, push, held messages, and what they cost others.

python -m tools.staying resume --clients 2000 --every 15 --seconds 300 --kills 50 --reloads 10
python -m tools.staying push --kills 200
python -m tools.staying held --outages 1000
python -m tools.staying blip --seconds 30
python -m tools.staying cost
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import sys

from tools.staying import blip, cost, held, push, resume


async def run(options: argparse.Namespace) -> bool:
    """Measure, print the figures, and return whether nothing was lost, doubled or left open."""
    if options.what == "resume":
        wanted = resume.Options(
            options.clients, options.seconds, options.every, options.kills, options.reloads
        )
        cuts = await resume.measure(wanted)
        print(cuts.text())
        return not (cuts.lost or cuts.doubled)
    if options.what == "push":
        posts = await push.measure(options.kills)
        print(posts.text())
        return not (posts.lost or posts.shown_twice)
    if options.what == "held":
        outages = await held.measure(options.outages)
        print(outages.text())
        return not (outages.lost or outages.doubled) and set(outages.states) <= held.FINAL
    if options.what == "blip":
        sizes = await asyncio.to_thread(blip.measure, options.seconds)
        print(sizes.text())
        return set(sizes.verdicts) == {"ok"}
    print((await cost.measure(options.messages, options.rounds)).text())
    return True


def main() -> int:
    """Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.staying", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("resume", "push", "held", "blip", "cost"))
    parser.add_argument("--clients", type=int, default=40, help="resume: clients (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="resume, blip: seconds (%(default)s)")
    parser.add_argument(
        "--every", type=float, default=15.0, help="resume: seconds between two cuts of a client"
    )
    parser.add_argument("--kills", type=int, default=0, help="resume, push: workers to kill (%(default)s)")
    parser.add_argument("--reloads", type=int, default=0, help="resume: replacements of all workers")
    parser.add_argument("--outages", type=int, default=20, help="held: outages (%(default)s)")
    parser.add_argument("--messages", type=int, default=1000, help="cost: messages per round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="cost: rounds (%(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its servers end too
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each client is a descriptor here too
    return 0 if asyncio.run(run(options)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
