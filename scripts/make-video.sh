#!/bin/sh
# Make result and result_mask from the merged frames, with data_dst's times and sound. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" make-video --ask "$@"
