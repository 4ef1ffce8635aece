#!/bin/sh
# Find the faces in the frames and cut them out, aligned. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" extract-faces src --ask "$@"
