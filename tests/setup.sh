#!/bin/sh
# Installs what reclaim needs on Debian, from a bare system on. Silent where nothing is missing.
#
#     sh tests/setup.sh build     what building needs
#     sh tests/setup.sh test      and what the tests need
#     sh tests/setup.sh lint      and what .ci/run's checks need
#
# Without root it names what is missing, and the command that installs it.
set -eu

# One word a package; a|b: either will do, the first that there is gets installed.
build="cmake gcc g++ libc6-dev make pkg-config|pkgconf libuv1-dev libmsgpack-dev|libmsgpack-c-dev uthash-dev"
test="libcmocka-dev"
lint="clang clang-format clang-tidy cppcheck"

case ${1-} in
build) wanted=$build ;;
test) wanted="$build $test" ;;
lint) wanted="$build $test $lint" ;;
*)
    echo "usage: sh tests/setup.sh build|test|lint" >&2
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

missing=
for word in $wanted; do
    any "$word" || missing="$missing $word"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "setup: missing:$(echo "$missing" | sed 's/|[^ ]*//g'); install with: sudo sh tests/setup.sh $1" >&2
    exit 1
fi

apt-get update
packages=
for word in $missing; do
    chosen=${word%%|*}
    for package in $(echo "$word" | tr '|' ' '); do
        if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
            chosen=$package
            break
        fi
    done
    packages="$packages $chosen"
done
# shellcheck disable=SC2086 # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
