"""A cache of the measures of a faceset's pictures: a SQLite file in the faceset's folder.

A value belongs to the coded picture and not to a file's name or folder, so it stays valid when faces are sorted,
renamed or get new face data. The file may be deleted at any time. A damaged one, or one of another version, is made
anew; where none can be written, nothing is cached.
"""

import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dfl.workspace import MEASURES

_VERSION = 1
_TABLE = "CREATE TABLE IF NOT EXISTS measure (key TEXT, name TEXT, value BLOB, PRIMARY KEY (key, name)) WITHOUT ROWID"
_WAIT_SECONDS = 10.0
# A damaged schema may not even be text.
_FAILURES = (sqlite3.Error, UnicodeError)
_NO_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)


class MeasureCache:
    """The cached values of one folder, bytes by key and name. Open it with `with`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MEASURES
        self._database: sqlite3.Connection | None = None
        self._begin()

    def __enter__(self) -> "MeasureCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, key: str, name: str, size: int) -> bytes | None:
        """The value, `size` bytes; None when it is not known, or not whole."""
        try:
            query = "SELECT value FROM measure WHERE key = ? AND name = ?"
            row = self._database.execute(query, (key, name)).fetchone() if self._database else None
        except _FAILURES as error:
            self._mend(error)
            return None
        try:
            # One byte more than wanted shows a value of another size.
            value = zlib.decompressobj().decompress(row[0][4:], size + 1) if row else b""
            is_whole = row is not None and len(value) == size and row[0][:4] == _checksum(key, name, value)
        except (zlib.error, TypeError):
            return None
        return value if is_whole else None

    def put(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Store values of (key, name, value), all or none of them: a killed run loses only the last call."""
        if self._database is None:
            return
        packed = [(key, name, _checksum(key, name, value) + zlib.compress(value, 1)) for key, name, value in rows]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO measure VALUES (?, ?, ?)", packed)
        except _FAILURES as error:
            self._mend(error)

    def _begin(self, again: bool = True) -> None:
        try:
            self._database = sqlite3.connect(self._path, timeout=_WAIT_SECONDS)
            self._database.execute("PRAGMA synchronous = NORMAL")
            if self._database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                self._database.execute("DROP TABLE IF EXISTS measure")
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
            self._database.execute(_TABLE)
        except _FAILURES as error:
            self._mend(error, again)

    def _mend(self, error: Exception, again: bool = True) -> None:
        """Begin anew after damage; do without after anything else (no right to write, disk full, in use)."""
        self._close()
        # The low byte is the kind of the error; a damaged table may read as a mistake in our question.
        if again and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_DAMAGE:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._begin(again=False)

    def _close(self) -> None:
        if self._database:
            self._database.close()
            self._database = None


def _checksum(key: str, name: str, value: bytes) -> bytes:
    """The database has none of its own: a flipped bit may give a value, or the key of another picture."""
    return zlib.crc32(value, zlib.crc32(f"{key} {name}".encode())).to_bytes(4, "big")
