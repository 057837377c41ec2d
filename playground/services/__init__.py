"""The servers that the pipeline needs, on this machine: PostgreSQL, Kafka, Kafka Connect."""

from playground.services.capture import Capture
from playground.services.errors import ServiceError
from playground.services.services import SHOP_DATABASE, Services

__all__ = ["SHOP_DATABASE", "Capture", "ServiceError", "Services"]
