#!/bin/sh
# Installs what reclaim needs on Debian, from a bare system on. Silent where nothing is missing.
#
#     sh tests/setup.sh build     what building needs
#     sh tests/setup.sh test      and what the tests need
#     sh tests/setup.sh lint      and what .ci/run's checks need
#     sh tests/setup.sh bench     what the tests need, and what tests/bench measures beside
#
# Without root it names what is missing, and the command that installs it. What only tests/vm needs may stay missing.
set -eu

# One word a package; a|b: either will do, the first that there is gets installed.
build="cmake gcc g++ libc6-dev make pkg-config|pkgconf libuv1-dev libmsgpack-dev|libmsgpack-c-dev uthash-dev libjansson-dev libcairo2-dev libsqlite3-dev scdoc"
test="libcmocka-dev groff-base man-db mandoc bash zsh fish python3 python3-msgpack sqlite3 vim-tiny nano less systemd"
vm="qemu-system-x86 linux-image-amd64 busybox-static|busybox" # tests/vm; without these it is skipped
lint="clang clang-format clang-tidy cppcheck strace"
bench="strace python3-joblib python3-pebble parallel beanstalkd gnuplot-nox coreutils findutils"

case ${1-} in
build) wanted=$build ;;
test) wanted="$build $test" ;;
lint) wanted="$build $test $lint" ;;
bench) wanted="$build $test $bench" ;;
*)
    echo "usage: sh tests/setup.sh build|test|lint|bench" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not Debian: what is needed here goes by these names there: $wanted" >&2
    exit 0
fi

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# any a|b: is one of them installed?
any() {
    for package in $(echo "$1" | tr '|' ' '); do
        if installed "$package"; then
            return 0
        fi
    done
    return 1
}

# What is not installed of a list.
missing() {
    for word in $1; do
        any "$word" || printf ' %s' "$word"
    done
}

# Installs a list; further arguments are apt-get's.
install() {
    packages=
    for word in $1; do
        chosen=${word%%|*}
        for package in $(echo "$word" | tr '|' ' '); do
            if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
                chosen=$package
                break
            fi
        done
        packages="$packages $chosen"
    done
    shift
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" $packages
}

# The first of each a|b.
first() {
    echo "$1" | sed 's/|[^ ]*//g'
}

needed=$(missing "$wanted")
wished=
if [ "$1" != build ] && [ "$(dpkg --print-architecture)" = amd64 ]; then
    wished=$(missing "$vm")
fi
[ -n "$needed$wished" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    apt-get update || [ -z "$needed" ]
    [ -z "$needed" ] || install "$needed"
    [ -z "$wished" ] || install "$wished" --no-remove || true
    needed=$(missing "$needed")
    wished=$(missing "$wished")
fi
if [ -n "$wished" ]; then
    echo "setup: MISSING:$(first "$wished"): tests/vm, what is tested with cgroups, will be SKIPPED" >&2
fi
if [ -n "$needed" ]; then
    echo "setup: missing:$(first "$needed"); install with: sudo sh tests/setup.sh $1" >&2
    exit 1
fi
