"""Watches: devices that poll over HTTP."""
