#!/bin/sh
# Save the face data of a faceset before its pictures are edited. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" save-metadata src --ask "$@"
