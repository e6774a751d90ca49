"""``flask pooled``: one group that loads each command only when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flask_pooled import cli
from flask_pooled.cli import pooled


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(pooled, ["--help"])
    assert result.exit_code == 0
    assert "sandbox" in result.output
    # In 80 columns, each is told to its end.
    assert "..." not in result.output.split("Commands:")[1]


def test_every_listed_command_is_there_with_a_help_text() -> None:
    context = click.Context(pooled)
    for name in pooled.list_commands(context):
        command = pooled.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str()


def test_help_says_what_the_value_of_an_option_is() -> None:
    """And not of which type it is to a program; a choice shows its default as it is written."""
    context = click.Context(pooled)
    commands = [pooled.get_command(context, name) for name in pooled.list_commands(context)]
    options = [
        option
        for command in commands
        if command is not None
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
    ]
    choices = [option for option in options if isinstance(option.type, click.Choice)]
    assert [each.name for each in options if each.metavar is None and each not in choices] == []
    for option in choices:
        shown, _ = option.get_help_record(context) or ("", "")
        assert not isinstance(option.default, str) or option.default in shown


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(pooled, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.output


def test_a_module_without_its_command_is_a_bug_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(cli._COMMANDS, "secrets", "sandbox")
    monkeypatch.setattr("flask_pooled.cli.sandbox.secrets", object())
    with pytest.raises(TypeError, match="holds no click command named secrets"):
        pooled.get_command(click.Context(pooled), "secrets")


def test_commands_are_imported_on_demand() -> None:
    code = (
        "import sys, click\n"
        "from flask_pooled.cli import pooled\n"
        "loaded = lambda: 'flask_pooled.cli.sandbox' in sys.modules\n"
        "before = loaded()\n"
        "pooled.list_commands(click.Context(pooled))\n"
        "listed = loaded()\n"
        "pooled.get_command(click.Context(pooled), 'sandbox')\n"
        "print(before, listed, loaded())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize("named", ["", "no_such_module"])
def test_flask_finds_the_group_without_an_app_and_beside_a_broken_one(
    tmp_path: Path, named: str
) -> None:
    arguments = [
        sys.executable,
        "-m",
        "flask",
        *(["--app", named] if named else []),
        "pooled",
        "--help",
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "sandbox" in done.stdout
