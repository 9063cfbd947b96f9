"""The words that the canned agents say."""

HELLO = """Hello! I am a **demo agent**: I run no model, I only play scenes.

Ask for `code`, `tool`, `table`, `think`, `long`, `error`, `buttons`, `voice`, `slow`, `status`,
or write anything else for a bit of everything."""

PYTHON = '''def fibonacci(count: int) -> list[int]:
    """The first `count` Fibonacci numbers."""
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


if __name__ == "__main__":
    print(fibonacci(10))  # 0, 1, 1, 2, 3, 5, …'''

BASH = """python app.py
make test && git commit -am "Count from one" """

TABLE = """### Three ways to hold a connection open

| way | cost a socket | notices a dead peer |
|:----|--------------:|:-------------------:|
| ping every 5 s | 40 B/s | 15 s |
| TCP keep-alive | 0.4 B/s | minutes |
| nothing | 0 | *never* |

1. Ping from the client.
2. Answer at once:
   - the same timestamp,
   - nothing else.
3. Close after silence.

> A link that nobody uses is a link that nobody knows to be broken.

- [x] measured
- [ ] ~~guessed~~

More at [example.com](https://example.com/) or <https://example.org/>.
Inline: `retry = min(0.5 * 2**n, 5)`."""

THOUGHTS = """Two producers, one consumer. If the consumer is slow, the queue grows without a bound, unless
the producers wait. They can wait, because nobody else depends on them. So a bounded queue is enough,
and a lock is not needed: there is a single event loop."""

_PARAGRAPHS = (
    "A tunnel joins two machines that cannot reach each other. One of them sits behind a router at "
    "home, the other in a pocket, and both of them change their address when they like.",
    "So both call a third one, which stays where it is, and which passes on what it hears. It need "
    "not understand a word of it, and it should not try to.",
    "What it has to understand is *who* is speaking, and *to whom*. A message that reaches the wrong "
    "device is worse than one that is lost, and one that is lost in silence is worse than one that is "
    "refused.",
    "Order matters too. An answer grows while it is written: each message repeats the whole text so "
    "far, so the latest one wins. If an older one arrived later, the text on the screen would jump "
    "back.",
    "And then there is the matter of **time**. People notice a tenth of a second. They forgive a "
    "second once, and they put the phone away after five.",
)
LONG = "## On tunnels\n\n" + "\n\n".join(
    f"**{number}.** {text}" for number, text in enumerate(_PARAGRAPHS * 2, start=1)
)

MIXED = """Here is a bit of everything:

- **bold**, *italic*, `inline code`
- a [link](https://example.com/)
- and an emoji 🚇, an accent é, and ქართული"""

CLOSING = """That function is all there is to it. Shall I go on?"""

HOSTILE = """<img src=x onerror="window.__pwned=1"><script>window.__pwned=1</script>
[click](javascript:window.__pwned=1) <a href="data:text/html,<script>1</script>">data</a>"""

QUESTIONS = (
    "What does this function do?",
    "Can you rename `handler` to something better?",
    "Why is the build red?",
    "Add a test for the empty case.",
    "Is there a simpler way?",
    "How large may a message be?",
)

ANSWERS = (
    "It adds up the sizes of all parts and returns the **total**.",
    "Done: it is `accept_frame` now, in three files.",
    "A missing import in `worker.py`. I added it, and the build is *green* again.",
    "Added `test_an_empty_message_is_kept`. It passes.",
    "Yes. A dictionary from type to function replaces the chain of `if`s.",
    "50 MiB. Above that the link is closed with code `1009`.",
)

TRANSCRIPTIONS = (
    "Run the tests and tell me what fails.",
    "Show me the code of the main function.",
    "What is the status of the build?",
)
