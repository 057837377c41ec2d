"""The error of this package."""

from __future__ import annotations

from ingestion.errors import LakehouseError


class ServiceError(LakehouseError):
    """A local server did not start, ended by itself or refused a request; names its log."""
