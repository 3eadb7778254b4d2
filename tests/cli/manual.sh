#!/bin/sh
# The manual pages: no formatter has anything to say about them, and they name the options that --help names.
#
#     sh tests/cli/manual.sh directory/of/pages path/to/reclaim    (and reclaimd beside it)
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

for page in "$pages"/*.[0-9]; do
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

# section PAGE NAME: that part of it
section() {
    awk -v name="$2" '/^\.SH / { inside = $0 == ".SH " name } inside' "$pages/$1"
}

# same_options PAGE COMMAND...: what is described in $work/described, of PAGE, is what COMMAND --help lists
same_options() {
    page=$1
    shift
    check "$* --help" 0 "$@" --help
    sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p' "$work/out" | sort >"$work/helped"
    name="options of $* in $page"
    count=$((count + 1))
    grep -q -- --help "$work/helped" || {
        echo "FAILED: $name: none found in --help"
        failed=$((failed + 1))
    }
    # What a page has in bold at the start of a line is an option of its program.
    grep '^\\fB-' "$work/described" | sed 's/\\f[BIR]//g; s/\\-/-/g' >"$work/bold"
    options "$work/bold" >"$work/documented"
    diff "$work/helped" "$work/documented" >"$work/differ"
    same differ ""
}

for verb in $("$reclaim" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^reclaim$'); do
    page=reclaim-$verb.1
    if [ -e "$pages/$page" ]; then
        cp "$pages/$page" "$work/described"
    else
        page=reclaim-jobs.1
        section $page "$(echo "$verb" | tr "[:lower:]" "[:upper:]")" >"$work/described"
        check "a section about $verb" 0 [ -s "$work/described" ]
        section $page 'COMMON OPTIONS' >>"$work/described"
    fi
    same_options "$page" "$reclaim" "$verb"
done
cp "$pages/reclaimd.8" "$work/described"
same_options reclaimd.8 "$(dirname "$reclaim")/reclaimd"

finish
