"""Sockets in their roles, and what is queued for them."""
