"""Tasks that are cancelled wherever they are."""

from __future__ import annotations

import asyncio
import random
from typing import Any


async def cancelled(tasks: list[asyncio.Task[Any]]) -> int:
    """Cancel each after some ticks of the loop, from its first step on; how many ended cancelled."""

    async def one(task: asyncio.Task[Any]) -> bool:
        for _ in range(random.randint(1, 12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    return sum(await asyncio.gather(*map(one, tasks)))
