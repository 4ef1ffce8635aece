#!/bin/sh
# Make a faceset's pictures larger or smaller, or of another face type. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" resize dst --ask "$@"
