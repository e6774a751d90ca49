"""docs/configuration.rst names every key, its default and its bounds as the code has them."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from doc_pages import Page

from flask_pooled import ConfigError
from flask_pooled.settings import KEYS
from flask_pooled.settings import Settings

PAGE = Page("configuration.rst")
KEY = re.compile(
    r"^\.\. confval:: (\w+)\n   :type: (.+)\n   :default: (.+)\n\n((?:   .*\n|\n)+)", re.MULTILINE
)
DOCUMENTED = {name: (kind, default, text) for name, kind, default, text in KEY.findall(PAGE.source)}

BASE = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": "jwt-secret-of-the-docs-0123456789abcdef",
    "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-docs-0123456789ab",
}


def example(name: str) -> dict[str, Any]:
    """What the example of a key sets, read as a program or a shell would."""
    text = DOCUMENTED[name][2]
    if found := re.search(rf'app\.config\["{name}"\] = (.+)', text):
        return {name: ast.literal_eval(found[1])}
    found = re.search(rf'export {name}="?([^"\n]+)"?', text)
    assert found is not None, f"{name} has no example"
    return {} if found[1] == "..." else {name: found[1]}


def test_every_key_is_documented_once() -> None:
    assert sorted(re.findall(r"confval:: (\w+)", PAGE.source)) == sorted(KEYS)
    assert DOCUMENTED.keys() == KEYS.keys()


@pytest.mark.parametrize("name", KEYS)
def test_the_default_is_that_of_the_code(name: str) -> None:
    default = DOCUMENTED[name][1]
    if default == "required":
        without = {key: value for key, value in BASE.items() if key != name}
        with pytest.raises(ConfigError, match=f"^{name} is missing"):
            Settings.from_mapping(without, {})
    else:
        assert ast.literal_eval(default.strip("`")) == KEYS[name]
        Settings.from_mapping(BASE, {})


@pytest.mark.parametrize("name", KEYS)
def test_the_example_works(name: str) -> None:
    config = {**BASE, **example(name)}
    if name == "POOLED_DEMO":
        config.pop("POOLED_TENANT")
    settings = Settings.from_mapping(config, {})
    if name in example(name):
        field = getattr(settings, name.removeprefix("POOLED_").lower())
        assert field not in (KEYS[name], None)


@pytest.mark.parametrize("name", KEYS)
def test_the_choices_and_the_bounds_are_those_of_the_code(name: str) -> None:
    kind, _, text = DOCUMENTED[name]

    def refused(value: object) -> bool:
        try:
            Settings.from_mapping({**BASE, name: value}, {})
        except ConfigError:
            return True
        return False

    for choice in re.findall(r'``"([a-z]+)"``', kind):
        assert not refused(choice)
    if bounds := re.search(r": (\d+) to (\d+)", text):
        low, high = map(int, bounds.groups())
        assert [refused(value) for value in (low - 1, low, high, high + 1)] == [
            *(True, False, False, True)
        ]


def test_errors_read_as_shown() -> None:
    wrong: list[dict[str, object]] = [
        {"POOLED_JWT_SECRET": None},
        {"POOLED_WEBHOOK_SECRET": "pasted with a newline\n"},
        {"POOLED_TOKEN_TTL": "an hour"},
        {"POOLED_HOLD_OVERS": 5000},
    ]
    errors = []
    for config in wrong:
        with pytest.raises(ConfigError) as error:
            Settings.from_mapping({**BASE, **config}, {})
        errors.append(str(error.value))
    assert PAGE.captioned()["errors"].splitlines() == errors


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("1", "true", "yes", "on")],
        *[(word, False) for word in ("0", "false", "no", "off")],
    ],
)
def test_text_is_read_as_documented(text: str, value: bool) -> None:
    assert f"``{text}``" in PAGE.source
    environ = {
        "POOLED_TOKEN_TTL": "3600",
        "POOLED_FULL_NAMES": text,
        "POOLED_TALISMAN": '{"force_https": false}',
    }
    settings = Settings.from_mapping(BASE, environ)
    assert (settings.token_ttl, settings.full_names) == (3600, value)
    assert settings.talisman == {"force_https": False}
