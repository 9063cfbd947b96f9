"""The tunnel server between phones and the workstation on which coding agents work."""

__version__ = "0.1.0"
"""The release that clients are told; ``release.build`` names the commit as well."""
