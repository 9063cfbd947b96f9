"""What the outside sees: the WebSocket endpoint, the watch API, health, the static client."""
