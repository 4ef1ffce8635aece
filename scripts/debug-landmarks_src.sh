#!/bin/sh
# Draw the landmarks on the faces of a faceset, in pictures beside it. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" debug-landmarks src --ask "$@"
