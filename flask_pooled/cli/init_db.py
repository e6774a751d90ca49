"""``flask pooled init-db``: the inbox's tables."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import fail
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.app import USAGE
from flask_pooled.cli.options import json_option
from flask_pooled.errors import ConfigError
from flask_pooled.inbox.structure import Found
from flask_pooled.inbox.structure import PRESENT_VERSION

#: Exit code where tables are missing, or not as they should be, and are not ours to make.
_NOT_READY = 1


@click.command("init-db")
@json_option
@with_appcontext
def init_db(as_json: bool) -> None:
    """Make the inbox's tables, or say who does.

    An inbox in a database of its own makes and migrates its tables by itself; this does it now, so that the first
    webhook need not. With db= they are among the casino's tables, and db.create_all() or Flask-Migrate makes them:
    then this only looks whether they are as they should be.

    Exit code 0: they are. 1: they are not, or the database could not be reached. 2: the app is set up wrongly, or a
    newer version made the tables.
    """
    structure = app_state().structure
    try:
        with needs_database():
            found = structure.look()
    except ConfigError as error:
        fail(str(error), USAGE)
    structure.database.close()
    if as_json:
        facts = {
            "database": found.address,
            "schema_version": PRESENT_VERSION,
            "ours": structure.ours,
            "tables": found.tables,
            "differences": found.differences,
        }
        click.echo(json.dumps(facts))
    else:
        _tell(found, ours=structure.ours)
    if found.differences:
        raise click.exceptions.Exit(_NOT_READY)


def _tell(found: Found, *, ours: bool) -> None:
    if not found.differences:
        click.echo(f"The inbox's tables are ready, schema version {PRESENT_VERSION}.")
    else:
        click.echo(f"The inbox's tables are not as schema version {PRESENT_VERSION} needs them:")
        for difference in found.differences:
            click.echo(f"  {difference}")
    click.echo(f"Database: {found.address}")
    if ours:
        click.echo("The inbox makes and migrates them by itself.")
    else:
        click.echo(
            "They are among the casino's tables (db=): 'flask db migrate' and 'flask db upgrade' of Flask-Migrate make "
            "and change them, or db.create_all(), which only makes what is missing."
        )
