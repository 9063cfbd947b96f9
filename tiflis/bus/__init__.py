"""How workers reach each other: the link to NATS, reliable channels, the directory."""
