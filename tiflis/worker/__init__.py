"""One worker: everything it composes, and its life."""
