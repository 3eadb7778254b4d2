#!/bin/sh
# Installs reclaim into a temporary prefix, moves that, and builds and runs programs against it as a user would.
#
#     CMAKE=cmake CC=cc CXX=c++ NM=nm sh tests/install/run.sh build/release
#
# Run by ctest as install.consumer. Everything that it makes is below the build directory, and removed at the end.
set -eu

source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$(CDPATH='' cd -- "$1" && pwd)
: "${CMAKE:=cmake}" "${CC:=cc}" "${CXX:=c++}" "${NM:=nm}"
unset DESTDIR

work=$(mktemp -d "$build/install-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

say() {
    echo "install: $*"
}

die() {
    echo "install: $*" >&2
    exit 1
}

"$CMAKE" --install "$build" --prefix "$work/installed" >"$work/install.log" || die "cmake --install failed"
prefix=$work/moved
mv "$work/installed" "$prefix"
cd "$work"

pc=$(find "$prefix" -name reclaim.pc)
[ -n "$pc" ] || die "no reclaim.pc"
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
strict="-Wall -Wextra -Wpedantic -Werror"

# shellcheck disable=SC2046,SC2086 # flags are meant to be split
{
    say "each header alone, C11 and C++17"
    for header in "$prefix"/include/reclaim/*.h; do
        printf '#include <reclaim/%s>\n' "$(basename "$header")" >one.c
        "$CC" -std=c11 $strict $(pkg-config --cflags reclaim) -fsyntax-only one.c
        cp one.c one.cpp
        "$CXX" -std=c++17 $strict $(pkg-config --cflags reclaim) -fsyntax-only one.cpp
    done

    say "C, shared, pkg-config"
    "$CC" -std=c11 $strict -o shared "$source/consumer.c" $(pkg-config --cflags --libs reclaim)
    LD_LIBRARY_PATH=$libdir ./shared

    say "C, static, pkg-config, beside functions that have our internal names"
    "$CC" -std=c11 $strict -DSTATIC -o static "$source/consumer.c" "$source/collide.c" \
        $(pkg-config --cflags --static --libs reclaim | sed "s|-lreclaim|$libdir/libreclaim.a|")
    ./static

    say "C++17, shared, the three headers"
    "$CXX" -std=c++17 $strict -o headers "$source/headers.cpp" $(pkg-config --cflags --libs reclaim)
    LD_LIBRARY_PATH=$libdir ./headers
}

say "C, shared and static, find_package"
"$CMAKE" -S "$source" -B cmake -DCMAKE_C_COMPILER="$CC" -DCMAKE_PREFIX_PATH="$prefix" >cmake.log 2>&1 &&
    "$CMAKE" --build cmake >>cmake.log 2>&1 || {
    cat cmake.log
    die "a project with find_package(reclaim) does not build"
}
cmake/consumer
cmake/consumer_static

say "the names that the libraries show are those that the headers declare"
sed -n 's/^POOL_API .*[ *]\(pool_[a-z0-9_]*\)(.*/\1/p' "$prefix"/include/reclaim/*.h | sort >declared
"$NM" -D --defined-only "$libdir/libreclaim.so" | awk '{ print $NF }' | sort >shown
cmp -s declared shown || {
    diff declared shown || true
    die "libreclaim.so: < is declared and not exported, > is exported and not declared"
}
"$NM" -g --defined-only "$libdir/libreclaim.a" | awk 'NF == 3 { print $3 }' | sort >shown
cmp -s declared shown || {
    diff declared shown || true
    die "libreclaim.a: < is declared and not global, > is global and not declared"
}
[ "$("$NM" "$libdir/libreclaim.a" | grep -c ':$')" = 1 ] || die "libreclaim.a has more than one object"
readelf -d "$libdir/libreclaim.so" >dynamic
grep -q 'SONAME.*\[libreclaim\.so\.0\]' dynamic || die "the soname is not libreclaim.so.0"
grep -q 'NOW' dynamic || die "libreclaim.so is not linked with -z now"

command=$prefix/bin/reclaim
if [ -x "$command" ]; then
    say "the command draws, and says so when it cannot"
    "$command" run --plot plot.svg true
    grep -q '<svg' plot.svg || die "there is no picture in plot.svg"
    find "$prefix" -name reclaim-plot -exec rm {} +
    code=0
    "$command" run --plot plot.svg true 2>said || code=$?
    [ $code = 125 ] || die "without what draws --plot exits with $code"
    grep -q '^reclaim run: --plot plot.svg: .*reclaim-plot' said || die "without what draws --plot says: $(cat said)"
fi

[ "$(pkg-config --modversion reclaim)" = "$(./static --version)" ] || die "reclaim.pc and pool_version() disagree"
say "passed"
