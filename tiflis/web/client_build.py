"""The build of the web client that is served, read into memory: ours, another one, or a page in its place."""

from importlib import resources
from pathlib import Path

from tiflis.environment import ConfigError
from tiflis.web.static_files import BuildTooLarge, SinglePage, make_file, read_folder


def read_client(choice: Path | None, ws_path: str) -> SinglePage:
    """Return the build in the folder ``choice``, or our own. Raise ConfigError if the folder contains no
    build of a client, or if one of its files has the path ``ws_path``."""
    site = _site(choice or built_client())
    if site.has(ws_path):
        raise ConfigError([f"WS_PATH {ws_path} is a file of the web client: choose another path"])
    return site


def built_client() -> Path | None:
    """Return the folder of our client's build: in the installed package or in the source tree; else None."""
    package = Path(str(resources.files("tiflis")))
    places = (package / "public", package.parent / "public" / "dist")
    return next((place for place in places if (place / "index.html").is_file()), None)


def _site(folder: Path | None) -> SinglePage:
    if folder is None:
        return SinglePage({"index.html": make_file(PLACEHOLDER.encode(), "index.html")})
    try:
        return SinglePage(read_folder(folder))
    except BuildTooLarge:
        raise ConfigError(
            [f"WEB_CLIENT_PATH {folder} must be a web client's build: this folder is too large"]
        ) from None
    except OSError as problem:
        place = problem.filename or folder
        raise ConfigError([f"WEB_CLIENT_PATH {place} cannot be read: {problem.strerror}"]) from None
    except KeyError:
        raise ConfigError([f"WEB_CLIENT_PATH {folder} must hold its index.html itself, not a link"]) from None


PLACEHOLDER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tiflis tunnel</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-items: center;
         font: 1.05rem/1.6 system-ui, sans-serif; background: Canvas; color: CanvasText; }
  main { max-width: 34rem; padding: 2rem; }
  h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
  h1::before { content: ""; display: inline-block; width: .65rem; height: .65rem; margin-right: .6rem;
               border-radius: 50%; background: #2da44e; vertical-align: .1em; }
  code { padding: .1rem .35rem; border-radius: .3rem;
         background: color-mix(in srgb, CanvasText 10%, Canvas); }
  p { margin: .75rem 0; }
  a { color: LinkText; }
</style>
</head>
<body>
<main>
  <h1>The tunnel is running</h1>
  <p>Workstations and clients can connect. The web client has not been built,
     so there is nothing to show here.</p>
  <p>In a source tree <code>make web</code> builds it; restart the server afterwards. An installed package
     brings it along. <code>WEB_CLIENT_PATH</code> names another client's build.</p>
  <p><a href="/health">Health of this server</a></p>
</main>
</body>
</html>
"""
