"""sqlfluff for Redshift over the SQL of target prod: `python -m tests.redshift.lint <folder>`.

The folder is what `make redshift-sql` writes; the rules are those of `.sqlfluff` at the root. What
they find and is meant has its reason in `MEANT`; the counts are printed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

ROOT = Path(__file__).parents[2]
MEANT = {
    "AL03": "in a later branch of a UNION the first branch names the columns",
    "LT05": "a macro wrote the line; the length of its own lines is looked at by people",
    "RF01": "the path of a SUPER looks like schema.table.column",
    "RF04": "no reserved word of Redshift (r_pg_keywords), which the stand-in refuses as names",
    "RF06": "dbt quotes each part of a relation's name, a SUPER's attributes keep their case",
}
_WRAPPED = re.compile(
    r"\A(?:create\s+(?:temporary\s+)?(?:table|view)|insert\s+into)\b.*?(?:\bas\s*\(|\)\s*\()\s*\n(?P<query>.*)\n\s*\)"
    r"(?:\s+with\s+no\s+schema\s+binding)?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)


def queries(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each query of a model or snapshot, without what the adapter adds."""
    for path in sorted(folder.glob("*_build/*/*.sql")):
        if path.parent.name not in ("models", "snapshots"):
            continue
        for number, statement in enumerate(path.read_text("utf-8").split(";\n\n")):
            wrapped = _WRAPPED.match(statement.strip().rstrip(";").rstrip())
            if wrapped is not None:
                name = f"{path.parent.parent.name}/{path.parent.name}/{path.stem}#{number}"
                yield name, wrapped["query"].strip() + "\n"


def findings(query: tuple[str, str]) -> list[tuple[str, str]]:
    """Rule and description of what sqlfluff finds in a query."""
    name, text = query
    config = FluffConfig.from_path(str(ROOT), overrides={"dialect": "redshift", "templater": "raw"})
    return [
        (found.rule_code(), f"{name}:{found.line_no}: {found.rule_code()} {found.desc()}")
        for found in Linter(config=config).lint_string(text).get_violations()
    ]


def lint(folder: Path) -> tuple[Counter[str], list[str]]:
    """How often each rule finds what is meant, and descriptions of everything else."""
    with ProcessPoolExecutor(2) as pool:
        found = [each for own in pool.map(findings, queries(folder)) for each in own]
    return (
        Counter(rule for rule, _told in found if rule in MEANT),
        [told for rule, told in found if rule not in MEANT],
    )


if __name__ == "__main__":
    meant, others = lint(Path(sys.argv[1]))
    for rule, count in sorted(meant.items()):
        print(f"{rule} {count}: {MEANT[rule]}")
    print("\n".join(others))
    sys.exit(bool(others))
