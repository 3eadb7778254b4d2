# What the tests of all verbs share: sourced with the path of reclaim as $1.
# Afterwards: $reclaim; $work, a directory of this test's own; $failed and $count; and these:
#
#     check NAME CODE COMMAND...   runs it, with its output in $work/out and $work/err
#     says FILE WORDS              that they are in it
#     lacks FILE WORDS             that they are not
#     silent                       that nothing is in $work/err
#     same FILE TEXT               that FILE holds TEXT; newlines at the end do not count
#     wait_for COMMAND...          until it succeeds, at most 20 s
#     finish                       the last line

reclaim=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

check() {
    name=$1
    expected=$2
    shift 2
    count=$((count + 1))
    "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    [ $code = "$expected" ] && return 0
    echo "FAILED: $name: exit $code instead of $expected: $*"
    sed 's/^/    /' "$work/out" "$work/err"
    failed=$((failed + 1))
    return 1
}

says() {
    count=$((count + 1))
    grep -qF -- "$2" "$work/$1" && return 0
    echo "FAILED: $name: \"$2\" is not in $1:"
    sed 's/^/    /' "$work/$1"
    failed=$((failed + 1))
}

silent() {
    count=$((count + 1))
    [ ! -s "$work/err" ] && return 0
    echo "FAILED: $name: it said:"
    sed 's/^/    /' "$work/err"
    failed=$((failed + 1))
}

lacks() {
    count=$((count + 1))
    grep -qF -- "$2" "$work/$1" || return 0
    echo "FAILED: $name: \"$2\" is in $1:"
    sed 's/^/    /' "$work/$1"
    failed=$((failed + 1))
}

same() {
    count=$((count + 1))
    [ "$(cat "$work/$1")" = "$2" ] && return 0
    echo "FAILED: $name: $1 is not \"$2\" but:"
    sed 's/^/    /' "$work/$1"
    failed=$((failed + 1))
}

wait_for() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries = 400 ]; then
            echo "FAILED: $name: waited in vain for: $*"
            failed=$((failed + 1))
            return 1
        fi
        sleep 0.05
    done
}

finish() {
    echo "$((count - failed)) passed, $failed failed"
    [ $failed = 0 ]
}
