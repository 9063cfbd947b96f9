"""Devices that stay under cuts and kills: figures of resume and of held messages."""
