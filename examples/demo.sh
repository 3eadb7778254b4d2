#!/bin/sh
# demo.sh - from a fresh Debian machine to the answer of the closure example: installs packages, builds reclaim, and runs the
# example on the machine's own package index. Works from any directory; leaves only the packages and build/.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
log=$root/build/demo.log
few=10000 # packages: an index with fewer lists only the installed ones

# Runs a command with its output in the log, and shows the log if it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        status=$?
        cat "$log" >&2
        echo "demo.sh: failed ($status): $*" >&2
        exit "$status"
    }
}

build() {
    cd "$root" &&
        cmake --preset release &&
        cmake --build --preset release
}

count_packages() {
    apt-cache dumpavail >"$index"
    packages=$(grep -c '^Package:' "$index") || packages=0
}

echo "Which packages would break the most others? Builds reclaim and asks this machine's package index."

sh "$root/tests/setup.sh" build
mkdir -p "$root/build"
echo "Building (log: $log) ..."
quietly build

if ! command -v apt-cache >/dev/null; then
    echo "demo.sh: apt-cache is missing: run build/release/examples/closure on an index of your own" >&2
    exit 1
fi
index=$(mktemp)
trap 'rm -f "$index"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

count_packages
if [ "$packages" -lt "$few" ] && [ "$(id -u)" -eq 0 ]; then
    echo "Only $packages packages in the index: apt-get update ..."
    quietly apt-get update
    count_packages
fi
if [ "$packages" -lt "$few" ]; then
    echo "Only $packages packages in the index: 'apt-get update' as root gets all of them."
fi
echo "Running the closure of $packages packages ..."
"$root/build/release/examples/closure" "$index"
