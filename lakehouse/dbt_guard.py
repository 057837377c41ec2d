"""A plugin of dbt-duckdb (profiles.yml): it asks who owns the warehouse file that dbt will open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from lakehouse.published import owner_of, told_owner, withdraw


class Plugin(BasePlugin):
    """Refuses dbt beside `lakehouse run`; without that, people read the file itself again."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Raises DbtRuntimeError where another process owns the file."""
        if self.creds is None or self.creds.path == ":memory:":
            return
        warehouse = Path(self.creds.path)
        owner = owner_of(warehouse)
        if owner is None:
            withdraw(warehouse)
        elif owner != os.getpid():
            raise DbtRuntimeError(told_owner(warehouse, owner))
