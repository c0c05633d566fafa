"""What sentinels say of a service: all are asked at once, and `core.opinions` says which is believed.

What may enter: one question to all sentinels. What follows from the answer is decided in `sentinel`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import valkey
from valkey.sentinel import Sentinel

from vkcache.core.opinions import Address, Opinion, newest, of_most
from vkcache.core.routing import reachable

_PATIENCE = 1.0  # seconds, where the options of the sentinels know no time-out


def believed(name: str, sentinels: Sequence[Address], options: Mapping[str, Any]) -> Opinion:
    """Who serves *name*, within a moment also where sentinels are silent.

    :raises Unreachable: no sentinel names a primary that is up; the text is what each of them said.
    """
    said: SimpleQueue[tuple[Address, Opinion | str]] = SimpleQueue()
    for address in sentinels:
        Thread(target=lambda at=address: said.put((at, _asked_once(name, at, options))), daemon=True).start()
    told: dict[Address, Opinion | str] = dict.fromkeys(sentinels, "did not answer in time")
    end = time.monotonic() + (options.get("socket_timeout") or _PATIENCE)
    for _ in sentinels:
        try:
            address, answer = said.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        told[address] = answer
        opinions = [one for one in told.values() if isinstance(one, Opinion)]
        if opinions and (found := of_most(opinions, len(sentinels))):
            return found
    return newest(told)


_asking: set[tuple[str, Address, int]] = set()
os.register_at_fork(after_in_child=_asking.clear)


def _asked_once(name: str, address: Address, options: Mapping[str, Any]) -> Opinion | str:
    """The same as `_asked`, but for a sentinel that still answers the question before, byte by byte."""
    question = (name, address, id(options))
    if question in _asking:
        return "did not answer in time"
    _asking.add(question)
    try:
        return _asked(name, address, options)
    finally:
        _asking.discard(question)


def _asked(name: str, address: Address, options: Mapping[str, Any]) -> Opinion | str:
    """What the sentinel at *address* says; a text where it knows no primary that is up."""
    asked = Sentinel([address], sentinel_kwargs=dict(options))
    try:
        with asked.sentinels[0] as client:
            state = client.sentinel_master(name)
            # The leader of a switch gives this address first, and announces it last of all.
            host, port = client.sentinel_get_master_addr_by_name(name)
            primary = (_text(host), int(port))
            if primary == (state["ip"], state["port"]) and not asked.check_master_state(state, name):
                return "the primary is down, and there is no other yet"
            if not reachable(*primary):
                return "it names a primary where no server can be"
            replicas = asked.filter_slaves(client.sentinel_slaves(name))
            return Opinion(primary, tuple(one for one in replicas if reachable(*one)), state["config-epoch"])
    except (valkey.ValkeyError, OSError, TypeError, ValueError, LookupError) as error:
        return str(error)


def _text(host: bytes | str) -> str:
    return host.decode() if isinstance(host, bytes) else host
