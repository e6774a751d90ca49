"""``.. pooled-command:: NAME``: how a command of ``flask pooled`` is called, and its options, from the command itself.

With ``:help:`` also what its ``--help`` says before them.
"""

from __future__ import annotations

import inspect
import re
from typing import Any
from typing import ClassVar

import click
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_pooled.cli import pooled
from flask_pooled.settings import KEYS

_KEY = re.compile(rf"\b({'|'.join(sorted(KEYS, key=len, reverse=True))})\b")


class CommandDirective(SphinxDirective):
    """One command."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"help": directives.flag}

    def run(self) -> list[nodes.Node]:
        """The usage line, and a list of the options with what each does."""
        group = click.Context(pooled, info_name="flask pooled")
        command = pooled.get_command(group, self.arguments[0])
        if command is None:
            raise self.error(f"flask pooled has no command {self.arguments[0]}")
        context = click.Context(command, info_name=command.name, parent=group)
        lines = [
            ".. code-block:: text",
            "",
            f"   {' '.join([context.command_path, *command.collect_usage_pieces(context)])}",
            "",
        ]
        if "help" in self.options:
            lines += [*_written(inspect.cleandoc(command.help or "")).splitlines(), ""]
        for parameter in command.params:
            # What --help prints: an argument has no line of its own there.
            head, text = parameter.get_help_record(context) or ("", "")
            if isinstance(parameter, click.Option):
                lines += [
                    f"``{head}``",
                    *(f"   {line}" for line in _written(text).splitlines()),
                    "",
                ]
        return self.parse_text_to_nodes("\n".join(lines))


def _written(text: str) -> str:
    """Plain text as reStructuredText, options as they are typed and settings as links."""
    plain = re.sub(r"([*`|\\])", r"\\\1", text)
    plain = re.sub(r"(?<![\w-])--[a-z][\w-]*", r"``\g<0>``", plain)
    return _KEY.sub(r":confval:`\1`", plain)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.add_directive("pooled-command", CommandDirective)
    return {"parallel_read_safe": True}
