from __future__ import annotations

import pytest

from flask_pooled import errors


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (errors.ConfigError, (errors.PooledError, RuntimeError)),
        (errors.TokenError, (errors.PooledError,)),
        (errors.PayloadError, (errors.PooledError, ValueError)),
        (errors.InboxError, (errors.PooledError,)),
    ],
)
def test_one_tree_that_also_answers_to_the_builtins(
    error: type[errors.PooledError], bases: tuple[type[Exception], ...]
) -> None:
    assert error.__bases__ == bases


def test_the_tree_is_complete() -> None:
    # pytest adds names of its own to the modules of a package that has a plugin.
    names = {name for name in vars(errors) if name.isidentifier() and not name.startswith("_")}
    public = names - {"annotations"}
    assert public == {"PooledError", "ConfigError", "TokenError", "PayloadError", "InboxError"}


def test_the_base_is_no_builtin_error_that_apps_already_catch() -> None:
    assert errors.PooledError.__bases__ == (Exception,)


def test_an_error_says_what_it_was_given() -> None:
    assert str(errors.ConfigError("POOLED_TENANT is missing.")) == "POOLED_TENANT is missing."
