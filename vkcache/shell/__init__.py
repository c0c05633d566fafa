"""The shells: all IO, and nothing that could be decided without it."""

from vkcache.core.scripts import (
    ScriptHelpers,
    decode_list_or_none_post,
    decode_list_post,
    decode_single_post,
    full_encode_pre,
    keys_only_pre,
    noop_post,
)
from vkcache.shell.aclient import AsyncClient
from vkcache.shell.client import Client
from vkcache.shell.locks import AsyncLock, Lock
from vkcache.shell.pipeline import AsyncPipeline, Pipeline
from vkcache.shell.semaphores import AsyncSemaphore, Semaphore

__all__ = [
    "AsyncClient",
    "AsyncLock",
    "AsyncPipeline",
    "AsyncSemaphore",
    "Client",
    "Lock",
    "Pipeline",
    "ScriptHelpers",
    "Semaphore",
    "decode_list_or_none_post",
    "decode_list_post",
    "decode_single_post",
    "full_encode_pre",
    "keys_only_pre",
    "noop_post",
]
