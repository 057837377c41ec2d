"""The few things that landing asks of a file system or an object store, and no more.

Paths are relative to the root. A file appears whole or not at all, under its final name.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from ingestion.errors import TerminalError, TransientError


class Storage(Protocol):
    """A folder on disk or a prefix of a bucket."""

    @property
    def uri(self) -> str:
        """The root as Spark understands it: an absolute path or `s3a://bucket/prefix`."""

    def list_files(self, folder: str, after: str = "") -> list[str]:
        """All files under `folder`, sorted bytewise, those up to and including `after` left out.

        Raises:
            TransientError: it cannot be listed, which says nothing of what is in it.
        """

    def read(self, path: str) -> bytes:
        """The content of `path`; FileNotFoundError when there is none."""

    def tail(self, path: str, size: int) -> bytes:
        """The last `size` bytes of `path`, or all of it when it is shorter."""

    def modified_at(self, path: str) -> float:
        """When `path` appeared, in seconds since 1970."""

    def size(self, path: str) -> int:
        """How many bytes `path` has."""

    def fetch(self, path: str, folder: Path) -> Path:
        """A local file with the content of `path`: itself, or a copy in `folder`."""

    def put(self, path: str, content: bytes) -> None:
        """Write `path`, replacing it whole."""

    def put_file(self, source: Path, path: str) -> None:
        """Write `path` with the content of the local file `source`; it appears whole."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Write `path` unless it exists; False when it did. Decided by the store, atomically."""

    def publish(self, staged: str, path: str) -> None:
        """Make the staged file visible as `path`, whole, and remove the staged one.

        Raises:
            FileNotFoundError: the staged file is gone: whoever took over has removed it.
        """

    def delete(self, path: str) -> None:
        """Remove `path` if it exists."""

    def delete_folder(self, folder: str) -> None:
        """Remove `folder` with all that is in it."""


class _LocalStorage:
    """A folder of this machine. Crash safety: content is on disk before its name is."""

    def __init__(self, root: Path) -> None:
        # Java would take `..` off by the text of the path, the kernel follows the links before it.
        self._root = Path(os.path.realpath(root))
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TerminalError(f"the folder {root} cannot be made: {error}") from error

    @property
    def uri(self) -> str:
        return str(self._root)

    def list_files(self, folder: str, after: str = "") -> list[str]:
        root = len(str(self._root)) + 1
        found = [
            f"{where}/{name}"[root:]
            for where, _, names in os.walk(self._root / folder, onerror=_not_listed)
            for name in names
            if not name.startswith(".")
        ]
        return sorted(path for path in found if path > after)

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def tail(self, path: str, size: int) -> bytes:
        with (self._root / path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read()

    def modified_at(self, path: str) -> float:
        return (self._root / path).stat().st_mtime

    def size(self, path: str) -> int:
        return (self._root / path).stat().st_size

    def fetch(self, path: str, folder: Path) -> Path:
        return self._root / path

    def put_file(self, source: Path, path: str) -> None:
        temporary = self._root / f".{uuid.uuid4().hex}"
        shutil.copyfile(source, temporary)
        self.publish(temporary.name, path)

    def put(self, path: str, content: bytes) -> None:
        temporary = self._temporary(path, content)
        temporary.replace(self._root / path)
        _sync_folder(temporary.parent)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        temporary = self._temporary(path, content)
        try:
            os.link(temporary, self._root / path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_folder(temporary.parent)
        return True

    def publish(self, staged: str, path: str) -> None:
        source, target = self._root / staged, self._root / path
        with source.open("rb") as file:
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        _sync_folder(target.parent)

    def delete(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        # Moved away first: a paused writer that wakes up finds nothing there, at one instant.
        doomed = self._root / f".deleted-{uuid.uuid4().hex}"
        try:
            (self._root / folder).rename(doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)

    def _temporary(self, path: str, content: bytes) -> Path:
        folder = (self._root / path).parent
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{uuid.uuid4().hex}"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return temporary


class _S3Storage:
    """A prefix of a bucket. An object appears whole; put-if-absent is `If-None-Match: *`."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._s3 = client

    @property
    def uri(self) -> str:
        return f"s3a://{self._bucket}/{self._prefix}".rstrip("/")

    def list_files(self, folder: str, after: str = "") -> list[str]:
        # S3A marks folders with objects whose key ends with a slash.
        return sorted(path for path in self._list(f"{folder}/", after) if not path.endswith("/"))

    def _list(self, prefix: str, after: str = "") -> Iterator[str]:
        more = {"StartAfter": self._key(after)} if after else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._key(prefix), **more
        )
        start = len(self._prefix) + 1 if self._prefix else 0
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"][start:]

    def read(self, path: str) -> bytes:
        return self._get(path)

    def tail(self, path: str, size: int) -> bytes:
        return self._get(path, Range=f"bytes=-{size}")

    def _get(self, path: str, **options: str) -> bytes:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(path), **options)
        except self._s3.exceptions.NoSuchKey as error:
            raise FileNotFoundError(f"{self.uri}/{path}") from error
        content: bytes = answer["Body"].read()
        return content

    def modified_at(self, path: str) -> float:
        answer = self._s3.head_object(Bucket=self._bucket, Key=self._key(path))
        modified: float = answer["LastModified"].timestamp()
        return modified

    def size(self, path: str) -> int:
        answer = self._s3.head_object(Bucket=self._bucket, Key=self._key(path))
        size: int = answer["ContentLength"]
        return size

    def fetch(self, path: str, folder: Path) -> Path:
        target = folder / path.replace("/", "_")
        self._s3.download_file(self._bucket, self._key(path), str(target))
        return target

    def put_file(self, source: Path, path: str) -> None:
        # In parts where it is large; the object appears when the last part is completed.
        self._s3.upload_file(str(source), self._bucket, self._key(path))

    def put(self, path: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=self._key(path), Body=content)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=self._key(path), Body=content, IfNoneMatch="*"
            )
        except self._s3.exceptions.ClientError as error:
            # 409: another conditional write of the same key is under way; one of the two wins.
            if error.response["Error"]["Code"] in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
            ):
                return False
            raise
        return True

    def publish(self, staged: str, path: str) -> None:
        source = {"Bucket": self._bucket, "Key": self._key(staged)}
        try:
            # One server-side copy: the object appears whole under its final name (up to 5 GB,
            # far above a batch's file).
            self._s3.copy_object(Bucket=self._bucket, Key=self._key(path), CopySource=source)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise FileNotFoundError(f"{self.uri}/{staged}") from error
            raise
        self._s3.delete_object(**source)

    def delete(self, path: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=self._key(path))

    def delete_folder(self, folder: str) -> None:
        for path in self._list(f"{folder}/"):
            self.delete(path)

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path


def open_storage(location: str) -> Storage:
    """The storage at `location`: a folder, or an `s3a://` (or `s3://`) URI.

    The S3 client follows the environment (AWS_ENDPOINT_URL, credentials, region).

    Raises:
        TerminalError: it is neither, a URI that means another prefix to Spark than to S3, or one
            that readers take for a pattern.
    """
    if found := set("'*?[]{}") & set(location):
        raise TerminalError(
            f"{location}: no landing zone or folder above it has {' '.join(sorted(found))} in its "
            "name, which DuckDB, dbt or Spark would read as a pattern; set LAKEHOUSE_LANDING"
        )
    for scheme in ("s3a://", "s3://"):
        if location.startswith(scheme):
            import boto3

            bucket, _, prefix = location.removeprefix(scheme).rstrip("/").partition("/")
            for_java = posixpath.normpath(f"/{prefix.lstrip('/')}")
            if f"/{prefix}" != for_java:
                raise TerminalError(
                    f"{location}: Spark takes it for {scheme}{bucket}{for_java}, while S3 and "
                    "Redshift know no doubled slash, `.` or `..`: they are other keys. Write it "
                    "without; docs/runbooks/operations.md says what to do where landing has run."
                )
            return _S3Storage(bucket, prefix, boto3.client("s3"))
    if location.startswith("file:") and not location.startswith("file:///"):
        raise TerminalError(f"{location}: write a folder as its path, or as file:///path")
    if "://" in location and not location.startswith("file://"):
        raise TerminalError(f"{location}: a landing zone is a folder or an s3a:// URI")
    return _LocalStorage(Path(location.removeprefix("file://")))


def _not_listed(error: OSError) -> None:
    """What os.walk does about a folder that it cannot list: one that is gone has no files."""
    if not isinstance(error, FileNotFoundError):
        raise TransientError(f"{error.filename} cannot be listed: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
