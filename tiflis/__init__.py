"""The tunnel server between phones and the workstation on which coding agents work."""

__version__ = "0.1.0"
