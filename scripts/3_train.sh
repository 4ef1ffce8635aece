#!/bin/sh
# Step 3: train. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" step 3_train --ask "$@"
