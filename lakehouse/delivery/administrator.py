"""The warehouse administrator's login, given to one program and to nothing else.

Ansible shows a task's environment when it is asked to be verbose, so the password never gets there:
the program's parent reads it, when the program starts.
"""

from __future__ import annotations

import json
from typing import Any

from lakehouse.delivery.environment import DeliveryError


def login(secrets: Any, secret: str) -> dict[str, str]:
    """The variables with which dbt connects as the user in `secret` (a name or an ARN).

    Raises:
        DeliveryError: the secret cannot be read, or lacks username or password.
    """
    try:
        text = secrets.get_secret_value(SecretId=secret)["SecretString"]
    except secrets.exceptions.ClientError as error:
        raise DeliveryError(
            f"cannot read the secret {secret} ({error.response['Error']['Code']}): "
            "LAKEHOUSE_REDSHIFT_ADMIN_SECRET must name it, and the task's role may read it"
        ) from error
    try:
        values = json.loads(text)
        return {
            "LAKEHOUSE_REDSHIFT_METHOD": "database",
            "LAKEHOUSE_REDSHIFT_USER": values["username"],
            "LAKEHOUSE_REDSHIFT_PASSWORD": values["password"],
        }
    except (ValueError, KeyError, TypeError):
        # Without its cause: that would show the text, which is the secret.
        raise DeliveryError(
            f"the secret {secret} must be a JSON object with username and password"
        ) from None
