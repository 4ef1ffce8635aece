#!/bin/sh
# Copy the faces that have outlines to a folder beside the faceset. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" xseg-fetch src --ask "$@"
