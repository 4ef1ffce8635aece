#!/bin/sh
# Step 2: extract-frames dst, then extract-faces dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" step 2_extract_dst --ask "$@"
