"""``flask pooled``: one group, whose commands are imported only when they are asked for.

So that a command which needs nothing of the app, like the sandbox, runs where the app cannot even be loaded.
"""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword

import click

#: Command name -> module in this package. The module holds the command under the same name, hyphens as underscores.
#: A keyword of Python has one at its end.
_COMMANDS = {
    "discard": "decide",
    "doctor": "doctor",
    "events": "events",
    "import": "import_events",
    "init-db": "init_db",
    "prune": "prune",
    "rehearse": "rehearse",
    "release": "decide",
    "retry": "decide",
    "sandbox": "sandbox",
    "send": "send",
    "show": "show",
    "stats": "stats",
    "token": "token",
    "verify": "verify",
    "worker": "worker",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports each on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted, as ``--help`` lists them."""
        return sorted({*_COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; ``None`` when there is none."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"{__name__}.{_COMMANDS[cmd_name]}")
        attribute = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command = getattr(module, attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module.__name__} holds no click command named {cmd_name}")
        return command


@click.group(cls=LazyGroup)
def pooled() -> None:
    """Prize pools by Pooled: try them, test them, look after them."""
