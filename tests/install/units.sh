#!/bin/sh
# The units of systemd, as they are installed: systemd finds nothing to say about them, and they name what is there.
#
#     CMAKE=cmake sh tests/install/units.sh build/release
#
# Run by ctest as install.units. Everything that it makes is below the build directory, and removed at the end.
set -eu

build=$(CDPATH='' cd -- "$1" && pwd)
: "${CMAKE:=cmake}"
unset DESTDIR

if ! command -v systemd-analyze >/dev/null; then
    echo "SKIPPED: systemd-analyze is missing (Debian: systemd)"
    exit 77
fi

work=$(mktemp -d "$build/units-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

die() {
    echo "units: $*" >&2
    exit 1
}

prefix=$work/prefix
"$CMAKE" --install "$build" --prefix "$prefix" >"$work/install.log" || die "cmake --install failed"

for manager in system user; do
    units=$prefix/lib/systemd/$manager
    daemon=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$units/reclaimd.service")
    [ "$daemon" = "$prefix/bin/reclaimd" ] || die "$units/reclaimd.service starts $daemon"
    [ -x "$daemon" ] || die "$daemon is not there"
    # It exits 0 after a key that it does not know, too.
    mkdir -p "$work/run"
    XDG_RUNTIME_DIR=$work/run systemd-analyze --$manager verify --man=no "$units/reclaimd.service" \
        "$units/reclaimd.socket" >"$work/said" 2>&1 || echo "it failed" >>"$work/said"
    [ ! -s "$work/said" ] || die "$(cat "$work/said")"
done

# What the socket's unit says and what a client looks for by itself are one place.
for manager in system user; do
    grep -qx 'ListenStream=%t/reclaim/reclaimd.sock' "$prefix/lib/systemd/$manager/reclaimd.socket" ||
        die "the $manager's socket is elsewhere"
done

grep -q '^u reclaim ' "$prefix/lib/sysusers.d/reclaim.conf" || die "nobody makes the user reclaim"
grep -q '^d /run/reclaim 0700 reclaim reclaim ' "$prefix/lib/tmpfiles.d/reclaim.conf" || die "nobody makes /run/reclaim"
