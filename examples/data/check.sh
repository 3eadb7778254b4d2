#!/bin/sh
# check.sh CLOSURE INDEX EXPECTED - runs CLOSURE on INDEX: it must succeed, and its table must be that in EXPECTED.
set -eu

output=$("$1" "$2")
printf '%s\n' "$output"
table=$(printf '%s\n' "$output" | sed -n '/^[0-9]/!q;p')
if [ "$table" != "$(cat "$3")" ]; then
    echo "check.sh: that is not the table in $3" >&2
    exit 1
fi
