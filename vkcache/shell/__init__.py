"""The shells: all IO, and nothing that could be decided without it."""

from vkcache.shell.client import Client

__all__ = ["Client"]
