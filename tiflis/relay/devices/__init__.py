"""The devices of a tunnel: their sockets, what their keys allow, and the audit of what they do."""
