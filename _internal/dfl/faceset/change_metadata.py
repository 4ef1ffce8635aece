"""Changes of the face data of a faceset's pictures; the pictures themselves are never encoded again."""

import threading
from pathlib import Path

from dfl.base.files import write_bytes
from dfl.base.jpeg import is_jpeg
from dfl.faceset.aligned_face import with_metadata
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.faceset import FaceFile
from dfl.faceset.perceptual_hash import perceptual_hash
from dfl.faceset.sidecar import Sidecar, SidecarEntry, gather_notes, note_face, read_index


class MetadataChanges:
    """Writes new face data for pictures of a folder, each whole or not at all; from several threads, if wanted.

    JPEGs carry their data, those of PNG and WebP are in faceset.json. Call finish() at the end of a run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._index: Sidecar | None = None

    def write(self, face: FaceFile, metadata: FaceMetadata) -> None:
        """Give a face of the folder (not of a pack) other data. UserError when it cannot be read or written."""
        content = face.read_content()
        if is_jpeg(content):
            # Waits for the disk: after a power cut the picture must not be an empty file.
            write_bytes(face.path, with_metadata(content, metadata, face.display_path))
            return
        with self._lock:
            self._index = self._index or read_index(self._folder)
            before = self._index.get(face.name)
            known = before.perceptual_hash if before else None
            note_face(
                self._folder,
                face.name,
                SidecarEntry(metadata, face.shape, known or perceptual_hash(content, face.display_path)),
            )

    def finish(self) -> None:
        """Gather what was noted into faceset.json."""
        gather_notes(self._folder)
