#!/bin/sh
# The manual pages: no formatter has anything to say about them, and they name the options that --help names.
#
#     sh tests/cli/manual.sh directory/of/pages path/to/reclaim
set -u

pages=$1
shift
. "$(dirname "$0")/common.sh"

# quiet NAME COMMAND...: it succeeds and says nothing on standard error
quiet() {
    check "$@" && silent
}

# options FILE: the long options that are in it
options() {
    grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z-]*' "$1" | sed 's/^[^-]*//' | sort -u
}

for page in "$pages"/*.1; do
    base=$(basename "$page")
    quiet "groff $base" 0 groff -man -ww -Tutf8 -z "$page"
    quiet "man $base" 0 env MANWIDTH=90 man --warnings -l "$page"
    cp "$work/out" "$work/$base.txt"
    says out "NAME"
    # scdoc separates everything by a paragraph, and mandoc finds that some of these do nothing.
    name="mandoc $base"
    mandoc -Tlint -W warning "$page" | grep -v 'WARNING: skipping paragraph macro: PP' >"$work/lint"
    same lint ""
done

for verb in $("$reclaim" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^reclaim$'); do
    check "$verb --help" 0 "$reclaim" "$verb" --help
    sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p' "$work/out" | sort >"$work/helped"
    name="options of reclaim-$verb(1)"
    count=$((count + 1))
    grep -q -- --help "$work/helped" || {
        echo "FAILED: $name: none found in --help"
        failed=$((failed + 1))
    }
    # What a page has in bold at the start of a line is an option of its verb.
    grep '^\\fB-' "$pages/reclaim-$verb.1" | sed 's/\\f[BIR]//g; s/\\-/-/g' >"$work/described"
    options "$work/described" >"$work/documented"
    diff "$work/helped" "$work/documented" >"$work/differ"
    same differ ""
done

finish
