"""The manifest of what runs in prod, handed from prod's deployment to other environments.

No environment may read another's account, so the manifest travels as an artifact of the workflow
that deployed it.
"""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from typing import Any

from lakehouse.delivery.environment import DeliveryError

ARTIFACT = "production-manifest"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The artifact is on another host, which must not get our token: we follow ourselves."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def production_manifest(variables: Mapping[str, str]) -> bytes | None:
    """The manifest of prod's last deployment, None when there is none (or it has expired).

    Raises:
        DeliveryError: GitHub does not answer, or refuses.
    """
    api, repository, token = (
        variables[name] for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    )
    listing = json.loads(
        get(f"{api}/repos/{repository}/actions/artifacts?name={ARTIFACT}&per_page=100", token)
    )
    url = newest(listing["artifacts"])
    if url is None:
        return None
    with zipfile.ZipFile(io.BytesIO(get(url, token))) as archive:
        return archive.read("manifest.json")


def newest(artifacts: list[dict[str, Any]]) -> str | None:
    """Where the newest usable artifact can be downloaded.

    A pull request from a fork may upload an artifact under any name: those do not count, nor do
    those of other branches than main and release tags.
    """
    usable = [
        artifact
        for artifact in artifacts
        if not artifact["expired"]
        and artifact["workflow_run"]["head_repository_id"]
        == artifact["workflow_run"]["repository_id"]
        and _trusted(artifact["workflow_run"]["head_branch"])
    ]
    if not usable:
        return None
    return str(max(usable, key=lambda artifact: artifact["created_at"])["archive_download_url"])


def _trusted(branch: str) -> bool:
    return branch == "main" or (branch.startswith("v") and branch[1:2].isdigit())


def get(url: str, token: str) -> bytes:
    """What is at an address of GitHub's API.

    Raises:
        DeliveryError: GitHub does not answer, or refuses.
    """
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise DeliveryError(f"{url} is not an address of GitHub's API: check GITHUB_API_URL")
    request = urllib.request.Request(  # noqa: S310  https, checked above
        url,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        location = error.headers.get("Location")
        if error.code in (301, 302, 307) and location:
            with urllib.request.urlopen(location, timeout=60) as answer:  # noqa: S310
                redirected: bytes = answer.read()
                return redirected
        raise DeliveryError(
            f"GitHub answers {error.code} to {url}: the token may not read it (a job needs "
            "`actions: read`), or it is not there"
        ) from error
    except urllib.error.URLError as error:
        raise DeliveryError(f"no answer from {url}: {error.reason}; run the job again") from error
