"""Sockets and tunnels passed from one worker to another."""
