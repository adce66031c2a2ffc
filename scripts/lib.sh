# Shared by the scripts beside it.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
profile=${PROFILE:-dev}
# The directory of the dev profile is called debug.
# shellcheck disable=SC2034
binaries=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")

step() { printf '\n== %s\n' "$*"; }
