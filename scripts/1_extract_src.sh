#!/bin/sh
# Step 1: extract-frames src, then extract-faces src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" step 1_extract_src --ask "$@"
