#!/bin/sh
# Step 4: merge. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" step 4_merge --ask "$@"
