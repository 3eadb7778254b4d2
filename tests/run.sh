#!/bin/sh
# Builds and tests reclaim: the presets release and asan, or those that are named.
#
#     sh tests/run.sh [preset...]
#
# Ends with ctest's own summary of each preset; exits 1 when anything failed. Writes below build/ only.
set -u

usage="usage: sh tests/run.sh [preset...]    (release debug asan tsan clang; default: release asan)"
case ${1-} in
-h | --help)
    echo "$usage"
    exit 0
    ;;
-*)
    echo "$usage" >&2
    exit 2
    ;;
esac
CDPATH='' cd -- "$(dirname -- "$0")/.." || exit 1
sh tests/setup.sh test || exit 1
[ $# -gt 0 ] || set -- release asan

heading() {
    printf '\n==== %s\n' "$*"
}

# What another user made would fail half-way through, less clearly.
mkdir -p build || exit 1
other=$({
    find build -prune ! -writable
    for preset in "$@"; do
        [ ! -e "build/$preset" ] || find "build/$preset" ! -type l ! -writable
    done
} | head -n 1)
if [ -n "$other" ]; then
    echo "run: $PWD/$other belongs to $(stat -c %U "$other") and cannot be written to: remove build/ first" >&2
    exit 1
fi

# run NAME COMMAND...: a step of a preset, with its heading
run() {
    heading "$1"
    step=$1
    shift
    "$@" && return 0
    echo "==== FAILED: $step" >&2
    return 1
}

check() {
    rm -f "build/$1/ctest.log"
    run "$1: configure" cmake --preset "$1" &&
        run "$1: build" cmake --build --preset "$1" &&
        run "$1: test" ctest --preset "$1" --output-log "build/$1/ctest.log"
}

failed=
for preset in "$@"; do
    check "$preset" || failed="$failed $preset"
done

heading "summary"
for preset in "$@"; do
    case " $failed " in
    *" $preset "*) echo "$preset: FAILED" ;;
    *) echo "$preset: passed" ;;
    esac
    sed -n '/tests passed,/,$p' "build/$preset/ctest.log" 2>/dev/null | sed '/^Label Time/,/^$/d'
    sed -n '/^SKIPPED: /p' "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null
done
[ -z "$failed" ]
