"""The tunnel server between phones and the workstation on which coding agents work."""

__version__ = "0.1.0"
"""The version that clients receive in ``connected``; ``release.build`` returns it with the commit."""
