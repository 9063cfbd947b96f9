"""Reliable channels between workers, on top of the at-most-once bus."""
