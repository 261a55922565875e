"""What rows are made from: files pinned by their SHA-256, fetched once into a cache, and fingerprints of them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pets_eval.model import PetsEvalError


@dataclass(frozen=True)
class Pinned:
    """A published file: where it is kept below the cache, where it comes from, and which bytes it must have.

    `sha256` lists the digests of the admitted forms, taken after line ends are brought to LF, so that a copy that a
    program or a version control system saved with other line ends is accepted too.
    """

    path: str
    url: str
    sha256: tuple[str, ...]


def fetch(file: Pinned, cache: Path) -> bytes:
    """The content of *file* with LF line ends, downloaded into *cache* unless it is there already.

    Raises `PetsEvalError` if it can be had neither from the cache nor from the network, or if it is another file.
    """
    place = cache / file.path
    if not place.is_file():
        _download(file.url, place)
    try:
        content = lf(place.read_bytes())
    except OSError as error:
        raise PetsEvalError(f"cannot read {place} ({error.strerror}); mend its permissions or delete it") from None
    if hashlib.sha256(content).hexdigest() not in file.sha256:
        raise PetsEvalError(
            f"{place} is not the published file (its SHA-256 differs from the pinned one); "
            f"delete it and fetch it again from {file.url}"
        )
    return content


def lf(content: bytes) -> bytes:
    r"""*content* with LF line ends.

    >>> lf(b"a,b\r\n1,2\r\n")
    b'a,b\n1,2\n'
    """
    return content.replace(b"\r\n", b"\n")


def recorded(place: Path, url: str, check: Callable[[Path], None]) -> tuple[Path, str]:
    """The file at *place* and its digest, for a publisher who gives none: downloaded from *url* unless it is there.

    The first time, *check* must accept the file (it raises otherwise, and a fresh download is thrown away), and its
    SHA-256 is recorded in `<place>.sha256`. Later the recorded digest is returned without reading the file; see
    `must_match`.
    """
    note = place.with_name(place.name + ".sha256")
    fresh = not place.is_file()
    if fresh:
        _download(url, place)
    try:
        if not note.is_file():
            try:
                check(place)
            except PetsEvalError:
                if fresh:
                    place.unlink()
                raise
            note.write_text(_sha256(place) + "\n")
        digest = note.read_text().strip()
    except OSError as error:
        raise PetsEvalError(f"cannot use {place} ({error.strerror}); mend its permissions") from None
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise PetsEvalError(f"{note} does not hold a SHA-256; delete it and {place.name} to start afresh")
    return place, digest


def must_match(place: Path, digest: str, url: str) -> None:
    """Raise `PetsEvalError` unless the file at *place* has the SHA-256 *digest* that was recorded for it."""
    if _sha256(place) != digest:
        raise PetsEvalError(
            f"{place} is not the file that was first downloaded (its SHA-256 differs from the one in "
            f"{place.name}.sha256); restore it, or delete both to take what {url} publishes now"
        )


def _sha256(place: Path) -> str:
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PetsEvalError(f"cannot read {place} ({error.strerror}); mend its permissions or delete it") from None


def _download(url: str, place: Path) -> None:
    """Fetch *url* to *place*, whole or not at all."""
    import pooch

    part = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=place.parent, suffix=".part")
        os.close(handle)
        pooch.HTTPDownloader(timeout=30)(url, part, None)
        Path(part).replace(place)
    except (OSError, ValueError):  # what requests raises is an OSError
        raise PetsEvalError(
            f"cannot download {url}; check the network, or fetch the file elsewhere and put it at {place}"
        ) from None
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def installed_file(package: str, *parts: str) -> Path:
    """The path of a data file inside an installed *package*, found without importing it."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *parts)
        if path.is_file():
            return path
    raise PetsEvalError(f"the package {package} has no file {'/'.join(parts)}; install the version pets-eval asks for")


def fingerprint(sources: tuple[str, ...], *parts: bytes | str | int | float) -> str:
    """SHA-256 over *parts* and over the modules (their `__file__`) that make rows of them."""
    digest = hashlib.sha256()
    for part in (*(Path(s).read_bytes() for s in sources), *parts):
        content = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
