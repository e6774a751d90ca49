"""Where histories happen, one after the other: the disk, the wire, and the processes of each set-up."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from flask_pooled.inbox import identity
from flask_pooled.inbox.turns import Turns

from .disk import Disk
from .processes import Process
from .processes import Setup
from .processes import SETUPS
from .wire import Run
from .wire import Wire
from .world import World


@contextmanager
def _in_no_order(_self: Turns, _seconds: float) -> Iterator[None]:
    # All processes are in one thread, where nobody can wait for another. Nothing but the order hangs on it.
    yield


class Stage:
    """Where histories happen, one after the other: the disk, the wire, and the processes of each set-up."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.wire = Wire(self.disk)
        self._casts: dict[int, tuple[list[Process], dict[str, bytes]]] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take the place of driver and chance; at the end, leave nothing behind."""
        real, vars(identity)["_chance"] = vars(identity)["_chance"], None
        take, Turns.take = Turns.take, _in_no_order  # type: ignore[assignment, method-assign]
        try:
            with self.wire.installed():
                yield
        finally:
            self.wire.end_all()
            vars(identity)["_chance"] = real
            Turns.take = take  # type: ignore[method-assign]
            self.disk.close()

    def set(self, number: int, world: World) -> dict[str, Process]:
        """Two processes of a set-up on files that are as on the first day."""
        self.wire.end_all()
        self.wire.refusals.clear()
        if number not in self._casts:
            self._casts[number] = self._make(SETUPS[number])
        cast, files = self._casts[number]
        self.disk.lay(files)
        self.wire.tick = lambda: world.pass_time(1)
        vars(identity)["_chance"] = world
        for process in cast:
            process.start(world, self.wire.life(process.name))
        return {process.name: process for process in cast}

    def _make(self, setup: Setup) -> tuple[list[Process], dict[str, bytes]]:
        self.disk.lay({})
        self.wire.tick = int
        cast = []
        for name in "AB":
            with self.wire.run(Run(name)):
                cast.append(Process(name, setup, self.disk.folder, self.wire.kill))
        self.wire.end_all()
        # It is here to stay, and need not be looked at by each collection of garbage.
        gc.collect()
        gc.freeze()
        return cast, self.disk.read()
