"""sqlfluff for Redshift over the SQL of target prod: `python -m tests.redshift.lint <folder>`.

The folder is what `make redshift-sql` writes; the rules are those of `.sqlfluff` at the root. What
they find and is meant has its reason in `MEANT`; the counts are printed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

from tests.redshift.sent_sql import SEPARATOR

ROOT = Path(__file__).parents[2]
MEANT = {
    "AM02": "r_UNION knows UNION and UNION ALL, no UNION DISTINCT",
    "AM04": "a step of a log has the columns of the step before it, and its own",
    "LT05": "a macro wrote the line; the length of its own lines is looked at by people",
    "LT09": "a macro wrote the columns of a key, one or several, in a line",
    "RF01": "the path of a SUPER looks like schema.table.column",
    "RF02": "apply_as_deletes is an expression over the columns of a change",
    "RF04": "no reserved word of Redshift (r_pg_keywords), which the stand-in refuses as names",
    "ST04": "a macro's CASE in the CASE of a model",
    "ST10": "a macro looks whether what it divides by is 0, also where that is a constant",
    "RF06": "dbt quotes each part of a relation's name, a SUPER's attributes keep their case",
}
# CREATE … AS (query), INSERT INTO … (query), or what dbt asks for the columns of a contracted model
_WRAPPED = re.compile(
    r"\A(?:create\s+(?:temporary\s+)?(?:table|view)\b.*?\bas"
    r"|insert\s+into\s+[^\s(]+(?:\s*\([^()]*\))?|select\s+\*\s+from)\s*\(\s*\n(?P<query>.*)\n\s*\)"
    r"(?:\s+with\s+no\s+schema\s+binding|\s+as\s+__dbt_sbq\s+where\s+false\s+limit\s+0)?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
# a step of a log
_STEP = re.compile(
    r"\Acreate temporary table (?!\w+__ranges )\w+ as\n(?P<query>with.*)\Z", re.DOTALL
)


def queries(folder: Path) -> dict[str, str]:
    """Text of each query of a model or snapshot, by name, without what the adapter adds."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*_build/*/*.sql")):
        if path.parent.name not in ("models", "snapshots"):
            continue
        for statement in path.read_text("utf-8").split(SEPARATOR):
            text = statement.strip().rstrip(";").rstrip()
            wrapped = _STEP.match(text) or _WRAPPED.match(text)
            query = wrapped["query"].strip() + "\n" if wrapped else ""
            # an empty contract: cast(null as …)
            if query.startswith("with") or "\nfrom " in query:
                found.setdefault(query, f"{path.parent.parent.name}/{path.parent.name}/{path.stem}")
    return {f"{name}#{number}": query for number, (query, name) in enumerate(found.items())}


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
    meant: Counter[str] = Counter()
    others: list[str] = []
    # the longest first, so that no process is left with one at the end
    ordered = sorted(queries(folder).items(), key=lambda query: -len(query[1]))
    with ProcessPoolExecutor() as pool:
        for found in pool.map(findings, ordered):
            meant.update(rule for rule, _told in found if rule in MEANT)
            others += [told for rule, told in found if rule not in MEANT]
    return meant, others


if __name__ == "__main__":
    meant, others = lint(Path(sys.argv[1]))
    for rule, count in sorted(meant.items()):
        print(f"{rule} {count}: {MEANT[rule]}")
    print("\n".join(others))
    sys.exit(bool(others))
