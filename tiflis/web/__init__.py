"""The HTTP side: the WebSocket endpoint, the watch API, health, the static client."""
