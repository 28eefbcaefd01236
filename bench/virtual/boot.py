"""How long the phone has been up, and the identity of that boot, as its files tell them."""

from __future__ import annotations

import asyncio
import time
import uuid

from bench.virtual.world import World

UPTIME = "/proc/uptime"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

_STEP_S = 0.1  # a trial of half a second has readings at its beginning and its end


class Boot:
    """One phone's boots, of which the first is when this is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.anew()

    def anew(self) -> None:
        """Start from 0, as another boot."""
        self._began = time.monotonic()
        self._world.rewrite(BOOT_ID, f"{uuid.uuid4()}\n".encode())
        self._tell()

    async def count(self) -> None:
        """Keep /proc/uptime true to a tenth of a second, for ever."""
        while True:
            self._tell()
            await asyncio.sleep(_STEP_S)

    def _tell(self) -> None:
        up = time.monotonic() - self._began
        self._world.rewrite(UPTIME, f"{up:.2f} {up:.2f}\n".encode())
