"""Tunnels whose home is in another worker."""
