"""What sentinels say of a service, and which of them is believed.

Sentinels that were cut off, or have not heard of a switch yet, name the primary that was. So what most
of them say is true, and else what the newest of their configurations says
(https://valkey.io/topics/sentinel, "configuration epochs").

What may enter: what follows from the sentinels' answers alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from vkcache.errors import Unreachable

Address: TypeAlias = tuple[str, int]


@frozen
class Opinion:
    """What a sentinel says: who the primary is, who follows it, and the epoch since which that is so."""

    primary: Address
    replicas: tuple[Address, ...]
    epoch: int


def of_most(opinions: Sequence[Opinion], of: int) -> Opinion | None:
    """What more than half *of* all say; None: that is not known yet."""
    votes = Counter((opinion.primary, opinion.epoch) for opinion in opinions)
    (most, count), *_ = votes.most_common(1)
    if 2 * count <= of:
        return None
    return next(opinion for opinion in opinions if (opinion.primary, opinion.epoch) == most)


def newest(told: Mapping[Address, Opinion | str]) -> Opinion:
    """What the sentinel with the newest configuration says.

    :raises Unreachable: none names a primary; the text is what each of them said.
    """
    opinions = [one for one in told.values() if isinstance(one, Opinion)]
    if opinions:
        return max(opinions, key=lambda opinion: opinion.epoch)
    raise Unreachable("; ".join(f"{host}:{port}: {answer}" for (host, port), answer in told.items()))
