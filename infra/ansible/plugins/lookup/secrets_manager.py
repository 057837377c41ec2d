"""Ansible lookup: a secret of AWS Secrets Manager, read when the play runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: secrets_manager
author: Retail Lakehouse maintainers
short_description: Read secrets from AWS Secrets Manager
description:
  - Returns each secret as a dictionary. Use it only in tasks with C(no_log).
  - Credentials and region are those of the environment (an ECS task's role).
options:
  _terms:
    description: Names or ARNs of secrets that hold a JSON object.
    required: true
    type: list
    elements: str
"""
EXAMPLES = """
- ansible.builtin.command: dbt debug
  environment:
    LAKEHOUSE_REDSHIFT_PASSWORD: "{{ lookup('secrets_manager', arn).password }}"
  no_log: true
"""
RETURN = """
_raw:
  description: The secrets, in the order of the terms.
  type: list
  elements: dict
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """`lookup('secrets_manager', <name or ARN>)`."""

    def run(
        self, terms: Sequence[str], _variables: object = None, **_options: object
    ) -> list[dict[str, Any]]:
        """The secrets named by `terms`; AnsibleError names the one that cannot be read."""
        import boto3

        client = boto3.client("secretsmanager")
        return [_secret(client, term) for term in terms]


def _secret(client: Any, name: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        text = client.get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise AnsibleError(f"cannot read the secret {name}: {error}") from error
    try:
        secret = json.loads(text)
    except ValueError:
        # The text stays out of the message: it is the secret.
        raise AnsibleError(f"the secret {name} does not hold a JSON object") from None
    if not isinstance(secret, dict):
        raise AnsibleError(f"the secret {name} does not hold a JSON object")
    return secret
