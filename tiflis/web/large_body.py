"""Large bodies of watch calls, read in pieces, between which the event loop serves other peers."""

from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.scan import LARGE
from tiflis.protocol.skim import Skim
from tiflis.relay.watch import reading
from tiflis.web.watch_parameters import Credentials, read_body

_MESSAGE = frozenset({"message"})


async def read(body: bytes, found: Credentials | None) -> tuple[Credentials, bytes]:
    """Return as ``watch_parameters.read_body`` does, and raise as it does. Of a large body the message is not
    read, only found; what else is there has to be short."""
    if len(body) <= LARGE:
        return read_body(body, found)
    skim = Skim(frozenset(), _MESSAGE)
    async for piece in reading.pieces(body):
        skim.feed(piece)
    begin, end = skim.spans.get("message", (0, 0))
    # This is JSON, and the message is, exactly if the body is.
    rest = body[:begin] + b"null" + body[end:] if end else body
    if skim.lost or skim.repeated or len(rest) > LARGE:
        raise InvalidPayload("The body must be a JSON object, with nothing large in it but its message")
    found, _ = read_body(rest, found)
    return found, body[begin:end]
