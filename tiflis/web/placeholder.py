"""The page that stands in for the web client when it has not been built."""

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
