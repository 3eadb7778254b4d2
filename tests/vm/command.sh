#!/bin/sh
# The command `reclaim` where the kernel limits memory itself: its reports of an own limit and of a machine that has run
# out of memory are told apart, by cgroups and by sampling.
#
#     sh tests/vm/command.sh build/release
set -u

build=$1
vm=$(dirname "$0")/run.sh
failed=0

# guest SETTINGS ARG...: reclaim with these arguments in each setting; what it says is in $said
guest() {
    settings=$1
    shift
    said=$(VM_SETTINGS=$settings sh "$vm" "$build" "$build/bin/reclaim" "$@" 2>&1)
    code=$?
    echo "$said"
    [ $code != 77 ] || exit 77
    expect "exit 137" [ $code = 137 ]
}

# expect WHAT COMMAND...
expect() {
    what=$1
    shift
    "$@" && return
    echo "FAILED: $what"
    failed=1
}

# reports OUTCOME METHOD...: one report for each setting, in their order
reports() {
    outcome=$1
    shift
    expect "outcomes $outcome" [ "$(echo "$said" | grep -c "\"outcome\":\"$outcome\"")" = $# ]
    methods=$(echo "$said" | sed -n 's/.*"memory_method":"\([a-z]*\)".*/\1/p' | tr '\n' ' ')
    expect "methods $*" [ "$methods" = "$* " ]
}

guest "root-leaf user-leaf user-plain" run -m 32M --report - dd if=/dev/zero of=/dev/null bs=128M count=1
reports memory-limit cgroup cgroup sampled
# shellcheck disable=SC2016 # for the guest's shell
guest "machine user-plain" run --report - sh -c 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
reports machine-oom cgroup sampled
exit $failed
