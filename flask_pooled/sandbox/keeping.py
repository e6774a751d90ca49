"""A file in which the sandbox's state outlives a run: pools, players, draws and the delivery log, but no secret."""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Final
from typing import Literal

from .attempts import Attempt
from .codec import decode
from .codec import encode
from .errors import SandboxError
from .pools import Pool
from .records import Draw
from .records import Guest
from .records import House
from .webhooks import Courier
from .world import World

#: Changes with what is in the file. A file of another version is refused, and not guessed at.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class _KeptHouse:
    pools: list[Pool]
    guests: list[Guest]
    draws: list[Draw]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is in the file.

    :param chance: where the random source stands.
    :param numbers: of results, so far.
    """

    version: Literal[1]
    chance: tuple[int, tuple[int, ...], float | None]
    numbers: int
    houses: dict[str, _KeptHouse]
    deliveries: list[Attempt]


class Keeper:
    """Writes a sandbox's state to a file, and reads it back.

    :param path: need not exist yet; its folder must.
    """

    def __init__(
        self, path: str | os.PathLike[str], world: World, courier: Courier, rng: random.Random
    ) -> None:
        self._path = Path(path)
        self._world = world
        self._courier = courier
        self._rng = rng
        self._lock = threading.Lock()

    def load(self) -> None:
        """Go on where the file ends, if there is one; else begin it.

        :raises SandboxError: it cannot be read or written, or is no state of this tenant's.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.save()
            return
        except (OSError, ValueError) as error:
            raise SandboxError(
                f"state: {self._path} cannot be read ({type(error).__name__}): name a file that this process may read"
            ) from None
        try:
            kept: _Kept = decode(_Kept, json.loads(text))
            self._rng.setstate(kept.chance)
        except (ValueError, TypeError, RecursionError):
            raise SandboxError(
                f"state: {self._path} is no state of this version of the sandbox: name a new file"
            ) from None
        with self._world.memory() as memory:
            if memory.houses.keys() != kept.houses.keys():
                raise SandboxError(
                    f"state: {self._path} is of the tenants {', '.join(kept.houses)}: name another file"
                )
            memory.numbers = kept.numbers
            for slug, house in memory.houses.items():
                _furnish(house, kept.houses[slug])
        self._courier.recall(kept.deliveries)

    def save(self) -> None:
        """Write the file anew, whole or not at all.

        :raises SandboxError: it cannot be written.
        """
        with self._lock:
            with self._world.memory() as memory:
                kept = _Kept(
                    version=_VERSION,
                    chance=self._rng.getstate(),
                    numbers=memory.numbers,
                    houses={slug: _keep(house) for slug, house in memory.houses.items()},
                    deliveries=self._courier.attempts()[::-1],
                )
                text = json.dumps(encode(kept), separators=(",", ":"))
            beside = self._path.with_name(f".{self._path.name}.new")
            try:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(beside, self._path)
            except OSError as error:
                raise SandboxError(
                    f"state: {self._path} cannot be written ({type(error).__name__}): name a file in a folder that "
                    "can be"
                ) from None


def _keep(house: House) -> _KeptHouse:
    return _KeptHouse([*house.pools.values()], [*house.guests.values()], [*house.draws])


def _furnish(house: House, kept: _KeptHouse) -> None:
    # How fast pools live is for this run's options to say.
    house.pools.update((pool.size, replace(pool, pace=house.tenant.pace)) for pool in kept.pools)
    house.guests.update((guest.visitor.sub, guest) for guest in kept.guests)
    house.draws.extend(kept.draws)
