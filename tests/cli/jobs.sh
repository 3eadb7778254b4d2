#!/bin/sh
# The verbs of the daemon as a user meets them, with a reclaimd of their own.
#
#     sh tests/cli/jobs.sh path/to/reclaimd path/to/tasks.so path/to/reclaim
# shellcheck disable=SC2016 # the $ in quotes are for inner shells
set -u

reclaimd=$1
tasks=$2
shift 2
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# They are one program's two halves: each is looked for beside the other.
[ "$(dirname "$reclaimd")" = "$(dirname "$reclaim")" ] || {
    echo "FAILED: $reclaim and $reclaimd must lie side by side"
    exit 1
}
RECLAIM_SOCKET=$work/run/socket
XDG_STATE_HOME=$work/home
export RECLAIM_SOCKET XDG_STATE_HOME
unset NO_COLOR
daemon=""
bare=""
lost=""
waiters=""
trap 'kill -KILL $daemon $bare $lost $waiters 2>/dev/null; rm -rf "$work"' EXIT

# submit ARGUMENT...: its id is in $id then
submit() {
    check "submit $*" 0 "$reclaim" submit "$@"
    silent
    id=$(cat "$work/out")
}

# state JOB: as list tells it
state() {
    "$reclaim" status --json "$1" | sed 's/.*"state":"\([a-z]*\)".*/\1/'
}

is_state() {
    [ "$(state "$1")" = "$2" ]
}

# terminal COMMAND...: on a terminal of $columns columns
columns=80
terminal() {
    python3 -c 'import pty, sys; sys.exit(pty.spawn(["sh", "-c", "stty cols '$columns'; exec env -u NO_COLOR TERM=xterm \"$@\"", "sh"] + sys.argv[1:]) >> 8)' "$@"
}

# ---- without a daemon

check "no daemon" 125 "$reclaim" status && says err "reclaim daemon start" && says err "$RECLAIM_SOCKET"
count=$((count + 1))
[ "$(wc -l <"$work/err")" = 1 ] || { failed=$((failed + 1)) && echo "FAILED: no daemon is told in one line"; }
check "no daemon, elsewhere" 125 "$reclaim" list --socket "$work/none" && says err "$work/none"
check "no daemon to stop" 125 "$reclaim" daemon stop && says err "reclaim daemon start"
check "a path too long" 125 "$reclaim" list --socket "$work/$(printf '%0200d' 1)" && says err "107 bytes"
check "a daemon that cannot start" 125 "$reclaim" daemon start --state "$work/broken" -- --workers none &&
    says err "did not start" && says err "--workers none"
check "a module that hangs" 125 env RECLAIM_TEST_LOAD_HANGS=1 "$reclaim" daemon start --timeout 0.5 -- --module "$tasks" &&
    says err "did not answer within 0.5 s, and was ended" && says err "$tasks"
check "nothing to read" 125 "$reclaim" daemon start -- --help && says err "it said nothing"
check "an option of stop" 125 "$reclaim" daemon start --drain-timeout 3 && says err "start takes no --drain-timeout"
check "an option of start" 125 "$reclaim" daemon stop --state "$work/x" && says err "stop takes no --state"
check "the other option of start" 125 "$reclaim" daemon status --timeout 3 && says err "status takes no --timeout"
check "two actions" 125 "$reclaim" daemon start stop && says err "start takes no other words"
check "options for who takes none" 125 "$reclaim" daemon stop -- --workers 4 && says err "no options of reclaimd"
check "a value for who takes none" 125 "$reclaim" submit --wait=1 true && says err "--wait takes no value"
check "no such action" 125 "$reclaim" daemon strat && says err "did you mean start?"

# Somebody else listens where a daemon was: nothing is sent to it, and no daemon is started beside it.
if [ "$(id -u)" = 0 ]; then
    python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.setuid(65534); s.listen(5); print(flush=True)
while True: os.write(1, s.accept()[0].recv(65536) or b"nothing\n")' "$work/squat" >"$work/squatted" 2>&1 &
    bare=$!
    wait_for [ -s "$work/squatted" ]
    check "a squatter" 125 "$reclaim" submit --socket "$work/squat" env && says err "uid 65534" && says err "$work/squat"
    check "is no daemon that is there" 125 "$reclaim" daemon start --socket "$work/squat" && says err "uid 65534"
    wait_for eval '[ "$(wc -l <"$work/squatted")" -ge 3 ]'
    count=$((count + 1))
    kill $bare
    wait $bare 2>/dev/null
    bare=""
    [ "$(sort -u "$work/squatted")" = "
nothing" ] || { failed=$((failed + 1)) && echo "FAILED: a squatter is told: $(cat "$work/squatted")"; }
fi

# ---- with one

check "daemon start" 0 sh -c 'exec 9>"$1"; shift; flock 9; "$@"' sh "$work/lock" \
    "$reclaim" daemon start -- --module "$tasks" --workers 2 --log-level debug && silent
daemon=$(cat "$work/out")
check "it holds nothing of ours" 0 flock -n "$work/lock" true
check "it runs" 0 kill -0 "$daemon"
check "daemon start again" 0 "$reclaim" daemon start
same out "$daemon"
check "another for the same state" 125 "$reclaim" daemon start --socket "$work/other" && says err "did not start" &&
    says err "pid $daemon"
check "its log" 0 [ -s "$work/home/reclaim/reclaimd.log" ]
check "daemon status" 0 "$reclaim" daemon status && says out "pid $daemon"

# Some find none, start one, and see that another was sooner: one is left, and all name it.
starters=""
for i in 1 2 3 4 5; do
    "$reclaim" daemon start --socket "$work/race" --state "$work/race.state" >"$work/race.$i" 2>&1 &
    starters="$starters $!"
done
# shellcheck disable=SC2086 # several
wait $starters
check "one of many" 0 "$reclaim" daemon status --json --socket "$work/race"
bare=$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$work/out")
check "is the one that all name" 0 sh -c 'sort -u "$1".?' sh "$work/race" && same out "$bare"
check "it ends" 0 "$reclaim" daemon stop --socket "$work/race"
bare=""

submit echo "two  words"
same out 1
check "wait" 0 "$reclaim" wait 1 && silent
check "logs" 0 "$reclaim" logs 1 && same out "two  words"
check "status of a job" 0 "$reclaim" status 1 && says out "job 1: done" && says out "echo 'two  words'"
check "the exit code" 7 "$reclaim" submit --wait sh -c 'exit 7' && same out 2 && says err "exited 7"
check "where and with what it runs" 0 env MINE=ours "$reclaim" submit --follow --env OTHER=theirs --cwd "$work" \
    sh -c 'echo "$MINE $OTHER $PWD"' && same out "ours theirs $work"
check "without our environment" 0 env MINE=ours "$reclaim" submit --follow --no-env --env A=b sh -c 'echo "<$MINE$A>"' &&
    same out "<b>"
check "both streams" 3 "$reclaim" submit -f sh -c 'echo to out; echo to err >&2; exit 3' && same out "to out" &&
    says err "to err"
echo from a file >"$work/input"
check "standard input" 0 "$reclaim" submit --follow --stdin "$work/input" cat && same out "from a file"
check "our standard input" 0 sh -c 'echo piped | "$1" submit --follow --stdin - cat' sh "$reclaim" && same out piped
check "over its memory" 137 "$reclaim" submit --wait -m 32M dd if=/dev/zero of=/dev/null bs=100M count=1 &&
    says err "over its memory limit"
check "a share of the machine's memory" 0 "$reclaim" submit -w -m 50% true
check "its limit" 0 "$reclaim" status "$(cat "$work/out")" && says out "mem. share 0.5"
check "a backstop" 1 "$reclaim" submit --follow -m 64M --memory-backstop dd if=/dev/zero of=/dev/null bs=1G count=1 &&
    says err "memory exhausted"
check "a backstop without a limit" 125 "$reclaim" submit --memory-backstop true && says err "give --memory SIZE, too"
check "a timeout" 124 "$reclaim" submit --wait -t 0.2 sleep 100
check "a timeout of a stopped job" 124 "$reclaim" submit --wait -t 0.2 sh -c 'kill -STOP $$'
check "a timeout inside of a job" 124 "$reclaim" submit --wait "$reclaim" run -t 0.2 sh -c 'kill -STOP $$'
check "not found" 127 "$reclaim" submit --wait /no/such/command

submit --key once true
first=$id
submit --key once true
count=$((count + 1))
[ "$id" = "$first" ] || { failed=$((failed + 1)) && echo "FAILED: one key, two jobs: $first and $id"; }
check "a key of another job" 125 "$reclaim" submit --key once false && says err once
check "a job by its key" 0 "$reclaim" wait once
check "wait for several" 7 "$reclaim" wait 1,2 once
check "a job that there is not" 125 "$reclaim" status 4711 && says err 4711
check "no job" 125 "$reclaim" wait && says err "which job"
check "no range" 125 "$reclaim" wait 7-3 && says err "7-3"

# ---- tasks

submit --task echo --arg '{"n":[1,2.5,"\u00e4"],"bytes":{"$bin":"AP8="}}'
check "a task" 0 "$reclaim" wait "$id"
check "its value as JSON" 0 "$reclaim" result --json "$id" && same out '{"n":[1,2.5,"ä"],"bytes":{"$bin":"AP8="}}'
check "and on a terminal" 0 terminal "$reclaim" result "$id" && says out '{"$bin":"AP8="}'
check "its bytes" 0 "$reclaim" result "$id" && cp "$work/out" "$work/bytes"
count=$((count + 1))
[ "$(od -An -tx1 -N 3 "$work/bytes" | tr -d ' ')" = 82a16e ] || { failed=$((failed + 1)) && echo "FAILED: its bytes"; }
check "into a file" 0 "$reclaim" result "$id" -o "$work/value" && check "the same" 0 cmp "$work/value" "$work/bytes"
submit --task bytes --arg 3000000
check "a large value" 0 sh -c '"$1" wait "$2" && [ "$("$1" result --raw "$2" | wc -c)" = 3000000 ]' sh "$reclaim" "$id"
check "no MessagePack" 125 "$reclaim" result --json "$id" && says err "--raw"
check "a task that fails" 3 "$reclaim" submit --wait --task fail && says err "told\\x0ato"
id=$(cat "$work/out")
check "no value" 3 "$reclaim" result "$id" && says err "no value"
check "a task that fails with a value" 4 "$reclaim" submit --wait --task refuse --arg '"why"'
id=$(cat "$work/out")
check "its value, and its code" 4 "$reclaim" result --json "$id" && same out '"why"' && says err "failed: refused"
check "a value over its limit" 2 "$reclaim" submit --wait --task bytes --arg 1001 --result-limit 1000
check "a value at its limit" 0 "$reclaim" submit --wait --task bytes --arg 1000 --result-limit 1000
id=$(cat "$work/out")
check "the limit is told" 0 "$reclaim" status "$id" && says out "value max"
check "a limit on a command's value" 125 "$reclaim" submit --result-limit 1K true && says err "--result-limit needs --task"
check "an unknown task" 125 "$reclaim" submit --task ehco && says err ehco
check "no JSON" 125 "$reclaim" submit --task echo --arg '{' && says err "not JSON"
check "no base64" 125 "$reclaim" submit --task echo --arg "{\"\$bin\":\"?\"}" && says err "base64"
check "an argument without a task" 125 "$reclaim" submit --arg 1 true && says err "--task"
check "a command and a task" 125 "$reclaim" submit --task echo true && says err "a command or --task, not both"

# ---- queues

check "pause" 0 "$reclaim" pause
submit --group night --priority -3 --name later sleep 100
paused=$id
submit --after "$paused" true
after=$id
submit --after "$paused" --after-failure run true
anyhow=$id
check "why it waits" 0 "$reclaim" status "$paused" && says out "paused" && says out "group      night"
check "whom it waits for" 0 "$reclaim" status "$after" && says out "after      $paused"
submit --cwd / -m 32M --memory-backstop --cpu-weight 50 -t 1m --retries 3 --after "$paused" true
check "with what it will run" 0 "$reclaim" status "$id" && says out "directory  /" && says out "memory max 32.0 MiB" &&
    says out "timeout    1 min 0 s" && says out "retries    3" && says out "backstop" && says out "CPU weight 50"
check "cancel it before it runs" 0 "$reclaim" cancel "$id"
check "wait, not for ever" 124 "$reclaim" wait -t 0.1 "$paused" && says err "0 of 1"
check "wait, not at all" 124 "$reclaim" wait -t 0 "$paused"
check "set" 0 "$reclaim" set "$paused" --priority 5 --group day
check "as it was set" 0 "$reclaim" status "$paused" && says out "group      day" && says out "priority   5"
check "nothing to set" 125 "$reclaim" set "$paused" && says err "--priority"
check "the groups" 0 "$reclaim" group day --limit 3
check "their limits" 0 "$reclaim" group && says out "day" && says out " 3 "
check "a group's limit without its name" 125 "$reclaim" group --limit 3 && says err "name"
check "resume" 0 "$reclaim" resume
wait_for is_state "$paused" running
check "cancel" 0 "$reclaim" cancel "$paused"
check "a cancelled job's code" 143 "$reclaim" wait "$paused"
check "what was to run after it" 125 "$reclaim" wait "$after"
check "and all the same" 0 "$reclaim" wait "$anyhow"
check "cancel it again" 125 "$reclaim" cancel "$paused"
echo 1 >"$work/code"
submit sh -c "exit \$(cat '$work/code')"
check "it fails" 1 "$reclaim" wait "$id"
echo 0 >"$work/code"
check "retry" 0 "$reclaim" retry "$id" && check "it does not" 0 "$reclaim" wait "$id"
check "retries" 0 "$reclaim" submit --wait --retries 3 --retry-delay 0.1 \
    sh -c "echo x >>$work/tries; [ \$(wc -l <$work/tries) = 3 ]"
check "any of two" 0 sh -c '"$1" wait --any "$2" 1' sh "$reclaim" "$(cat "$work/out")"

# ---- output

submit sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); echo line $i; done; printf "no newline" >&2'
check "a job with much to say" 0 "$reclaim" wait "$id"
check "its last lines" 0 "$reclaim" logs --stdout -n 2 "$id" && same out "line 1999
line 2000"
check "no lines" 0 "$reclaim" logs --lines 0 --stdout "$id" && same out ""
check "more lines than there are" 0 sh -c '[ "$("$1" logs -n 9999 --stdout "$2" | wc -l)" = 2000 ]' sh "$reclaim" "$id"
check "its standard error" 0 "$reclaim" logs --stderr -n 1 "$id" && same out "no newline"
mkfifo "$work/go"
submit sh -c "echo begun; read -r word <'$work/go'; echo \$word"
"$reclaim" logs -f "$id" >"$work/followed" 2>&1 &
follower=$!
wait_for grep -q begun "$work/followed"
echo over >"$work/go"
wait $follower
cp "$work/followed" "$work/out"
same out "begun
over"

# ---- listings

check "hostile names" 0 "$reclaim" submit --wait --name "$(printf 'a\nb\033[31m')" echo "$(printf 'c\rd\302\233')"
check "list" 0 "$reclaim" list && lacks out "$(printf '\033')" && says out '[a\x0ab\x1b[31m]' && lacks out "$(printf '\r')"
check "status" 0 "$reclaim" status && says out "jobs: 0 running" && says out "COMMAND" && says out "dependency-failed"
check "filtered" 0 "$reclaim" list --state cancelled && says out "$paused" && lacks out "done"
check "by name" 0 "$reclaim" list --name later --json && says out "\"id\":$paused,"
check "by group" 0 "$reclaim" list --group day --json && says out "\"id\":$paused,"
check "the newest" 0 sh -c '[ "$("$1" list -n 3 --json | wc -l)" = 3 ]' sh "$reclaim"
check "no such state" 125 "$reclaim" list --state dnoe && says err dnoe
check "on a terminal" 0 terminal "$reclaim" list && says out "$(printf '\033[32mdone')" && says out "..."
for columns in 80 40 10; do
    check "on a terminal of $columns columns" 0 terminal "$reclaim" list
    count=$((count + 1))
    sed 's/\x1b\[[0-9]*m//g; s/\r//' "$work/out" | awk -v most=$columns 'length > most { exit 1 }' || {
        failed=$((failed + 1))
        echo "FAILED: a list is no wider than $columns columns"
    }
done
check "without colour" 0 terminal env NO_COLOR=1 "$reclaim" list && lacks out "$(printf '\033')"
check "on a dumb terminal" 0 terminal env TERM=dumb "$reclaim" list && lacks out "$(printf '\033')"
check "a full disk" 125 sh -c '"$1" list >/dev/full' sh "$reclaim" && says err "standard output"
check "stats" 0 "$reclaim" stats && says out "workers started"
check "JSON" 0 sh -c '"$1" stats --json; "$1" list --json; "$1" status --json; "$1" group --json' sh "$reclaim" &&
    cp "$work/out" "$work/json"
check "it is JSON" 0 python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$work/json"

# ---- events

"$reclaim" events >"$work/events" 2>&1 &
listener=$!
# clients N [OPTION...]: so many are connected, beside who asks
clients() {
    wanted=$(($1 + 1))
    shift
    "$reclaim" stats --json "$@" | grep -q "\"clients\":$wanted,"
}
wait_for clients 1
hears() { # a client is connected before it has subscribed
    submit --name heard true
    grep -q "submitted.*heard" "$work/events"
}
wait_for hears
submit --name watched true
"$reclaim" wait "$id"
wait_for grep -q "ended.*watched: exited 0" "$work/events"
kill $listener
wait $listener 2>/dev/null
cp "$work/events" "$work/out"
says out "submitted"
says out "started"

# ---- output of several runs, and as JSON

# Each run from its beginning, also where it writes as much as the one before, or more.
check "followed through its runs" 0 "$reclaim" submit -f --retries 3 --retry-delay 0.1 \
    sh -c 'echo "run $RECLAIM_ATTEMPT"; [ "$RECLAIM_ATTEMPT" = 3 ] && echo "and more"' && same out "run 1
run 2
run 3
and more"
check "logs of no job, said once" 125 "$reclaim" logs -f 4711 && same err "reclaim logs: there is no job 4711"
submit -w printf 'a\377'
check "output beyond its limit" 143 "$reclaim" submit -f --output-limit 1K sh -c 'head -c 4K /dev/zero; sleep 100' &&
    says err "wrote more than was kept" && check "what was kept" 0 [ "$(wc -c <"$work/out")" = 1024 ]
check "it is said by logs, too" 0 sh -c '"$1" logs "$("$1" list -n 1 --json | sed "s/.*\"id\":\([0-9]*\).*/\1/")" >/dev/null' sh "$reclaim" &&
    says err "wrote more than was kept"
check "logs as JSON" 0 "$reclaim" logs --json "$id" &&
    same out '{"stream":"stdout","data":{"$bin":"Yf8="},"offset":0,"size":2,"attempt":1,"ended":true}'
check "and followed" 0 "$reclaim" submit -f --json sh -c 'echo a; echo b >&2' && cp "$work/out" "$work/json"
says json '"stream":"stderr","data":{"$bin":"Ygo="}'
check "all of it is JSON" 0 python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$work/json"

# ---- without standard streams

# What a job prints must not reach the daemon as a request: this would be one, [0, 1, "drain", []].
submit --wait sh -c 'printf "\224\000\001\245drain\220"; printf "\224\000\001\245drain\220" >&2'
check "logs, standard output closed" 125 sh -c '"$1" logs "$2" >&-' sh "$reclaim" "$id" && says err "Bad file descriptor"
check "logs, standard error closed" 125 sh -c '"$1" logs "$2" 2>&-' sh "$reclaim" "$id"
check "logs -f, all closed" 125 sh -c '"$1" logs -f "$2" <&- >&- 2>&-' sh "$reclaim" "$id"
check "none of it was an order" 0 "$reclaim" stats --json && says out '"draining":false'
check "an id that nobody gets" 125 sh -c '"$1" submit true >&-' sh "$reclaim" && says err "standard output"
check "a list that nobody gets" 125 sh -c '"$1" list --json >&-' sh "$reclaim" && says err "standard output"
# shellcheck disable=SC2069
for closing in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    eval '"$reclaimd" --socket "$work/bare" --state "$work/bare.state" --log "$work/bare.log"' "$closing" '&'
    bare=$!
    wait_for "$reclaim" stats --socket "$work/bare" >"$work/out"
    kill $bare
    wait $bare
    code=$?
    bare=""
    check "reclaimd $closing" 0 sh -c "cat '$work/bare.log'; exit $code"
done

# ---- a daemon that dies

# greeted PID STATE [OPTION...]: it has said hello to the daemon, and has its answer
greeted() {
    wait_for grep -q "event=hello .*pid=$1\$" "$2/reclaimd.log"
    shift 2
    "$reclaim" stats "$@" >"$work/out" # a turn later
}

# Who waits for one that does not come back is asked at the end, for that takes a minute.
check "a daemon to be lost" 0 "$reclaim" daemon start --socket "$work/lost" --state "$work/lost.state" -- --log-level debug
bare=$(cat "$work/out")
check "a job of its" 0 "$reclaim" submit --socket "$work/lost" sleep 1000
"$reclaim" wait --socket "$work/lost" 1 >"$work/lost.said" 2>&1 &
lost=$!
greeted $lost "$work/lost.state" --socket "$work/lost"
kill -KILL "$bare"
bare=""

# waits NAME COMMAND...: in the background, with its output in NAME.out and NAME.err; its pid is in $waiter
waits() {
    name=$1
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.err" &
    waiter=$!
    waiters="$waiters $waiter "
}

# ended NAME PID CODE: so it did
ended() {
    wait "$2" 2>/dev/null
    code=$?
    waiters=$(echo "$waiters" | sed "s/ $2 / /")
    check "$1" 0 sh -c "cat '$work/$1.out'; cat '$work/$1.err' >&2; exit $((code - $3))"
}

gone="waiting for it to come back"
submit sleep 100
wait_for is_state "$id" running
waits one "$reclaim" wait "$id" && one=$waiter
waits all "$reclaim" events && all=$waiter
waits follow "$reclaim" submit -f --on-crash requeue sh -c \
    'echo "run $RECLAIM_ATTEMPT"; [ "$RECLAIM_ATTEMPT" = 1 ] || exit 7; exec sleep 100' && follow=$waiter
wait_for grep -q "run 1" "$work/follow.out"
for pid in $one $all $follow; do
    greeted "$pid" "$work/home/reclaim"
done
waits short "$reclaim" wait -t 3 "$id" 1 && short=$waiter # the last one, so that there is time left
greeted $short "$work/home/reclaim"
kill -KILL "$daemon"
for name in one short all follow; do
    wait_for grep -q "$gone" "$work/$name.err"
done
ended short $short 124 && says err "timed out, while reclaimd is gone"
check "none answers" 125 "$reclaim" status && says err "reclaim daemon start"
check "another takes its place" 0 "$reclaim" daemon start -- --module "$tasks" --workers 2 --log-level debug && silent
daemon=$(cat "$work/out")
ended one $one 125 && says err "the daemon died while it ran"
check "it was said once" 0 [ "$(grep -c "$gone" "$work/one.err")" = 1 ]
check "as what it is" 0 "$reclaim" status "$id" && says out "interrupted"
ended follow $follow 7 && same out "run 1
run 2" && says err "has begun anew"
check "it was said once to who follows" 0 [ "$(grep -c "$gone" "$work/follow.err")" = 1 ]
wait_for grep -q "reclaimd is back" "$work/all.err"
submit true
wait_for grep -q "ended  *$id " "$work/all.out"
kill $all
ended all $all 143

# One that never ran, of a daemon that another takes the place of.
submit --start-at 2100-01-01 true
waits other "$reclaim" wait "$id" && other=$waiter
waits both "$reclaim" logs -f "$id" && both=$waiter
waits many "$reclaim" wait "$id" 1 && many=$waiter
for pid in $other $both $many; do
    greeted "$pid" "$work/home/reclaim"
done
kill -KILL "$daemon"
check "another, with other jobs" 0 "$reclaim" daemon start --state "$work/other.state"
bare=$(cat "$work/out")
ended other $other 75 && says err "another reclaimd" && says err "job $id is still on the first one's disk"
ended both $both 75 && says err "job $id is still on the first one's disk"
ended many $many 75 && says err "the 2 jobs are still on the first one's disk"
check "away with that" 0 "$reclaim" daemon stop
bare=""
check "and the first again" 0 "$reclaim" daemon start -- --module "$tasks" --workers 2 --log-level debug
daemon=$(cat "$work/out")

# Those that end, and are removed, before who waits is back.
waits late "$reclaim" wait "$id" && late=$waiter
submit --start-at 2100-01-01 true
waits removed "$reclaim" wait "$id" && removed=$waiter
for pid in $late $removed; do
    greeted "$pid" "$work/home/reclaim"
done
kill -STOP $late $removed
kill -KILL "$daemon"
check "it comes back" 0 "$reclaim" daemon start -- --module "$tasks" --workers 2 --log-level debug
daemon=$(cat "$work/out")
check "they end" 0 "$reclaim" cancel "$((id - 1)),$id" && check "one is removed" 0 "$reclaim" remove "$id"
kill -CONT $late $removed
ended late $late 143 && says err "$gone"
ended removed $removed 75 && says err "there is no job $id"

# Where all places are taken the job is there all the same.
check "a daemon with one place" 0 "$reclaim" daemon start --socket "$work/one" --state "$work/one.state" -- \
    --max-clients 1 --log-level debug
bare=$(cat "$work/out")
check "a job for that" 0 "$reclaim" submit --socket "$work/one" sleep 100
nobody_is_there() {
    [ "$(grep -c event=connected "$work/one.state/reclaimd.log")" = "$(grep -c event=closed "$work/one.state/reclaimd.log")" ]
}
wait_for nobody_is_there
waits first "$reclaim" wait --socket "$work/one" 1 && first=$waiter
greeted "$first" "$work/one.state" --socket "$work/one"
check "no place to wait" 125 "$reclaim" wait --socket "$work/one" 1 && says err "--max-clients"
check "nor to submit and wait" 75 "$reclaim" submit --wait --socket "$work/one" sleep 100 && same out 2 &&
    says err "job 2 is still on its disk"
check "nor to follow" 75 "$reclaim" submit --follow --socket "$work/one" sleep 100 && says err "job 3 is still on its disk"
check "but to cancel" 0 "$reclaim" cancel --socket "$work/one" 1-3
ended first $first 143
check "and to stop" 0 "$reclaim" daemon stop --socket "$work/one"
bare=""

# Its answer to a submit is lost: whether it is sent again.
cat >"$work/forgetful.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(5); print("listens", flush=True)
heard = 0
while True:
    c = s.accept()[0]
    while data := c.recv(1 << 20):
        answer = b"\x82\xa8protocol\x01\xa5store\x05"
        if b"submit" in data:
            heard += 1
            print("submit", flush=True)
            if heard == 1:
                break
            answer = b"\x82\xa2id\x07\xa7created\xc2"
        c.sendall(b"\x94\x01" + data[2:3] + b"\xc0" + answer)
    c.close()
END
for key in "" "--key once"; do
    rm -f "$work/heard" # or the last one's is found to listen
    python3 "$work/forgetful.py" "$work/forgetful$key" >"$work/heard" 2>&1 &
    bare=$!
    wait_for grep -q listens "$work/heard"
    # shellcheck disable=SC2086 # an option and its value
    if [ -z "$key" ]; then
        check "a lost answer" 75 "$reclaim" submit --socket "$work/forgetful$key" --no-env true && says err "with --key"
    else
        check "a lost answer, with a key" 0 "$reclaim" submit --socket "$work/forgetful$key" --no-env $key true &&
            same out 7 && says err "$gone"
    fi
    kill $bare
    wait $bare 2>/dev/null
    bare=""
    check "how often it was sent ($key)" 0 [ "$(grep -c submit "$work/heard")" = $((${#key} > 0 ? 2 : 1)) ]
done

# ---- pueue's words

check "add" 0 "$reclaim" add true
id=$(cat "$work/out")
check "follow" 0 "$reclaim" follow 1 && same out "two  words"
check "log" 0 "$reclaim" log 1 && same out "two  words"
check "kill" 125 "$reclaim" kill 1
check "restart" 0 "$reclaim" restart 1 && check "again" 0 "$reclaim" wait 1
check "start" 0 "$reclaim" start
check "start of a job" 125 "$reclaim" start 1 && says err "there is no group 1" && says err "reclaim retry 1"
check "pause of a job" 125 "$reclaim" pause 1 && says err "reclaim set 1 --group"
check "pause of no group" 125 "$reclaim" pause nihgt && says err "there is no group nihgt"
check "none of it made a group" 0 "$reclaim" group && lacks out nihgt
check "edit" 125 "$reclaim" edit 1 && says err "--priority"
check "reset" 125 "$reclaim" reset && says err "reclaim cancel"

# ---- the end

check "remove" 0 "$reclaim" remove 1 && check "gone" 125 "$reclaim" status 1
check "remove all" 0 "$reclaim" clean
check "none is left" 0 "$reclaim" list --json && same out ""
submit sleep 100
check "it does not end" 125 "$reclaim" remove "$id"
check "not remove and name" 125 "$reclaim" remove --ended 3
check "drain" 0 "$reclaim" drain
check "no new ones" 125 "$reclaim" submit true && says err drain
check "cancel the last" 0 "$reclaim" cancel "$id"
check "drained" 0 "$reclaim" drain --wait
check "and again" 0 "$reclaim" drain --off && check "new ones" 0 "$reclaim" submit --wait true
check "daemon stop" 0 "$reclaim" daemon stop --drain-timeout 1 && silent
check "it is gone" 1 readlink "/proc/$daemon/exe" # who has its pid may not have waited for it yet
daemon=""
check "and its socket" 1 [ -e "$RECLAIM_SOCKET" ]

wait $lost
code=$?
lost=""
cp "$work/lost.said" "$work/out"
check "one that does not come back" 75 sh -c "cat '$work/lost.said'; exit $code" &&
    says out "did not come back within a minute; job 1 is still on its disk"

for verb in submit status list wait result logs events cancel retry remove set group pause resume stats drain shutdown daemon; do
    check "help of $verb" 0 "$reclaim" "$verb" --help && says out "--socket FILE"
    count=$((count + 1))
    awk 'length > 80 { exit 1 } END { exit NR > 45 }' "$work/out" || {
        failed=$((failed + 1))
        echo "FAILED: help of $verb fits a screen"
    }
    check "version of $verb" 0 "$reclaim" "$verb" --version && says out "reclaim "
    check "an unknown option of $verb" 125 "$reclaim" "$verb" --scoket x && says err "did you mean --socket?"
done

finish
