"""Change the code in every small way there is, one at a time, and count what no test notices.

    make mutants PART=core
    make mutants PART=recording
    make mutants PART=processing MODULES="claims attempts"
    make mutants PART=writing
    make mutants PART=keeping
    make mutants PART=reaching
    make mutants PART=telling
    make mutants PART=building

prints how many mutants each module has, how many were killed and how many survived, and then shows each survivor. It
takes some twenty minutes of one processor for a part, less for some of its modules; nothing is left in the tree.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Part:
    """Modules, and the fastest tests that are about them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    #: What pytest's ``-k`` shall choose.
    chosen: str = "not postgresql"


#: Whoever kills a mutant by an example in a thousand kills it by a plain test, too. What another process does, or one
#: that is killed, cannot be tried this way.
_FAST = "not postgresql and not books_always and not three_entries_three and not kill and not process_dies"


def _and_on_postgresql(*tests: str) -> str:
    """As :data:`_FAST`, but with some files' tests that ask a server, too."""
    also = " or ".join(f"test_{test}" for test in tests)
    return _FAST.replace("not postgresql", f"(not postgresql or {also})")


PARTS = {
    "core": Part(
        (
            *("csp", "event_base", "events", "fairness", "money", "payload", "player"),
            *("setting_values", "settings", "signals", "signature", "token_check", "tokens"),
        ),
        (
            *("csp", "csp_payment", "errors", "event_fields", "events", "fairness", "limits"),
            *("messages", "money", "player", "public_api", "setting_values", "settings"),
            *("signals", "signature", "token_check", "tokens"),
        ),
    ),
    # From a delivery to its row.
    "recording": Part(
        (
            *("inbox/credits", "inbox/delivery", "inbox/entries", "inbox/holds", "inbox/identity"),
            *("inbox/known", "inbox/prepared", "inbox/recording", "inbox/refunds", "inbox/rows"),
        ),
        ("decisions", "entries", "identity", "promotions", "prune", "recorded", "recording"),
        _FAST,
    ),
    # From its row to wallet code.
    "processing": Part(
        (
            *("inbox/attempts", "inbox/batches", "inbox/blocked", "inbox/claims"),
            *("inbox/direct", "inbox/processing"),
        ),
        (
            *("attempts", "attempts_told", "batches", "blocked", "bypass", "claimlock", "clock"),
            *("decisions", "direct", "pace", "processing", "retries", "slow_receiver"),
        ),
        _FAST,
    ),
    # Many deliveries at once, and those that the database cannot take.
    "writing": Part(
        (
            *("inbox/refund_batch", "inbox/fresh", "inbox/fresh_refunds", "inbox/fresh_postgres"),
            *("inbox/one_statement", "inbox/groupcommit", "inbox/spool", "inbox/intake"),
        ),
        (
            *("fresh", "fresh_refunds", "groupcommit", "intake", "intake_told", "prune_spool"),
            *("refund_batch", "spool"),
        ),
        f"{_and_on_postgresql('fresh')} and not both_ways and not processes and not together_is_as",
    ),
    # What people and time do with rows, and see of them.
    "keeping": Part(
        (
            *("inbox/decisions", "inbox/prune", "inbox/endings", "inbox/importing"),
            *("inbox/figures", "inbox/heartbeat", "inbox/bypass", "inbox/listing"),
        ),
        (
            *("attempts_told", "bypass", "cli_decide", "cli_events", "cli_stats", "decisions"),
            *(
                "decisions_counted",
                "decisions_told",
                "endings",
                "figures",
                "heartbeat",
                "importing",
            ),
            *("importing_batches", "listing", "prune", "prune_batches", "prune_spool", "retries"),
        ),
        f"{_FAST} and not process",
    ),
    # How the database and the spool's disk are reached, by one at a time, and what it means if they are not.
    "reaching": Part(
        (
            *("inbox/claimlock", "inbox/database", "inbox/deadline", "inbox/disk"),
            *("inbox/outages", "inbox/queuelock", "inbox/store", "inbox/turns"),
        ),
        (
            *("attempts_told", "claimlock", "commit", "database", "databases", "deadline"),
            *("disk", "doctor_safety", "engines", "fresh", "groupcommit", "hung_database"),
            *("importing", "messages", "outage_signs", "queuelock", "recorded", "retries"),
            *("schema", "silence", "spool", "store", "turns"),
        ),
        # How an engine is reached after a fork, or a transaction is begun again, only a server can tell.
        f"{_and_on_postgresql('database', 'engines', 'fresh')} and not process",
    ),
    # What the others stand on: tables and their versions, and the front through which all of it is reached.
    "building": Part(
        (
            *("inbox/handler", "inbox/inbox", "inbox/migrations", "inbox/plans"),
            *("inbox/schema", "inbox/structure", "inbox/tables", "inbox/upsert"),
        ),
        (
            *("claimlock", "cli_init_db", "databases", "dispatch_spooled", "importing", "inbox"),
            *("migrations", "news", "plans", "prune", "prune_spool", "recorded"),
            *("rehearsal_isolation", "schema", "schema_told"),
        ),
        # One process at a time creates tables, which is different on PostgreSQL. And a test that reads the code finds
        # all mutants in it.
        f"{_and_on_postgresql('schema')} and not process and not every_line_of_the_log",
    ),
    # What people are shown, and what they decide about many events at once.
    "telling": Part(
        ("inbox/audit", "inbox/bodies", "inbox/bulk"),
        (
            *("bodies", "bulk", "cli_decide", "cli_events", "cli_show", "console_decisions"),
            *("console_pages", "decisions_told"),
        ),
        f"{_FAST} and not process",
    ),
}


def only(part: Part, names: Sequence[str]) -> Part:
    """The part with those of its modules that are named, without their folder; with all of them if none is.

    :raises SystemExit: one of them is not in the part.
    """
    by_name = {Path(module).name: module for module in part.modules}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise SystemExit(
            f"No module of this part: {', '.join(unknown)}. It has {', '.join(by_name)}."
        )
    return replace(part, modules=tuple(by_name[name] for name in names or by_name))


def _prepare(part: Part, tree: Path) -> None:
    """Copy the tree, with what mutmut is to do."""
    unwanted = shutil.ignore_patterns("__pycache__", "_build", ".*", "*.egg-info", "mutants")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    options = {
        "source_paths": ["flask_pooled"],
        "only_mutate": [f"flask_pooled/{module}.py" for module in part.modules],
        "also_copy": ["example_app", "benchmarks", "docs", "README.md", "CHANGES.rst"],
        "pytest_add_cli_args": ["-q", "-k", part.chosen],
        "pytest_add_cli_args_test_selection": [f"tests/test_{test}.py" for test in part.tests],
    }
    with (tree / "pyproject.toml").open("a") as file:
        print("\n[tool.mutmut]", file=file)
        for name, value in options.items():
            # Lists of plain text are the same in TOML as in Python.
            print(f"{name} = {value}", file=file)


def _mutmut(tree: Path, *words: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = (sys.executable, "-m", "mutmut", *words)
    done = subprocess.run(
        command, cwd=tree, env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"mutmut {' '.join(words)} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def run(part: Part, tree: Path) -> Iterator[tuple[str, str]]:
    """Try every mutant of a part; yields the name of each, and what became of it."""
    _prepare(part, tree)
    _mutmut(tree, "run", "--max-children", "1")
    yield from re.findall(r"^ +(\S+): (.+)$", _mutmut(tree, "results", "--all", "true"), re.M)


def main(part: Part) -> None:
    """Print the table and the survivors."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        fates = dict(run(part, tree))
        print(f"{'module':<28}{'mutants':>9}{'killed':>9}{'survived':>10}")
        total = Counter[str]()
        for module in part.modules:
            start = f"flask_pooled.{module.replace('/', '.')}."
            ends = [fate for mutant, fate in fates.items() if mutant.startswith(start)]
            # A mutant that never ends is noticed as well.
            killed = sum(fate in ("killed", "timeout") for fate in ends)
            total += Counter(mutants=len(ends), killed=killed)
            print(f"{module:<28}{len(ends):>9}{killed:>9}{len(ends) - killed:>10}")
        all_of_it, killed = total["mutants"], total["killed"]
        print(f"{'':<28}{all_of_it:>9}{killed:>9}{all_of_it - killed:>10}")
        for mutant, fate in fates.items():
            if fate not in ("killed", "timeout"):
                diff = _mutmut(tree, "show", mutant)
                changed = [line for line in diff.splitlines() if re.match(r"[+-](?![+-])", line)]
                print(f"\n{mutant}: {fate}", *changed, sep="\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] not in ([name] for name in PARTS):
        raise SystemExit(f"python tests/mutants.py {'|'.join(PARTS)} [MODULE ...]")
    main(only(PARTS[sys.argv[1]], sys.argv[2:]))
