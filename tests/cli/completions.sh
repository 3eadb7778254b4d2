#!/bin/sh
# What the shells complete, asked of bash, zsh and fish themselves: verbs, every option that --help names, values and
# commands.
#
#     sh tests/cli/completions.sh directory/of/completions path/to/reclaim
set -u

completions=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
programs=$(cd "$(dirname "$reclaim")" && pwd)
reclaim=$programs/reclaim
PATH=$programs:$PATH # they call it by its name
HOME=$work
export PATH HOME
: >"$work/unlike-any-other"

# ask SHELL WORD...: a line for each match of the last word, in $work/out
ask() {
    shell=$1
    shift
    name="$shell: $*"
    case $shell in
    # shellcheck disable=SC2016 # for bash
    bash) timeout 20 bash --norc -c 'source "$1" && shift && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) &&
            _reclaim reclaim "${!#}" "" && printf "%s\n" "${COMPREPLY[@]}"' \
            bash "$completions/reclaim.bash" "$@" ;;
    zsh) timeout 20 zsh -f "$here/complete.zsh" "$completions" "$*" ;;
    # shellcheck disable=SC2016 # for fish
    fish) timeout 20 fish --no-config -c 'source $argv[1]; complete -C "$argv[2..]"' "$completions/reclaim.fish" "$@" ;;
    esac 2>"$work/err" | cut -f 1 | sed '/^$/d' | sort -u >"$work/out"
}

# offers LIST: these lines are what was matched
offers() {
    same out "$1"
    silent
}

verbs=$("$reclaim" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^reclaim$' | sort)
cd "$work" || exit 1
for shell in bash zsh fish; do
    ask $shell reclaim r
    offers "$(echo "$verbs" | grep '^r')"
    ask $shell reclaim --
    offers "$(printf '%s\n' --help --version)"
    for verb in $verbs; do
        "$reclaim" "$verb" --help >"$work/help"
        options=$(sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p' "$work/help" | sort)
        count=$((count + 1))
        case $options in
        *--help*) ;;
        *)
            echo "FAILED: --help of $verb names no options"
            failed=$((failed + 1))
            ;;
        esac
        ask $shell reclaim "$verb" --
        offers "$options"
    done
    for verb in run map submit; do
        ask $shell reclaim $verb -m 2G mkfif
        offers mkfifo
        ask $shell reclaim $verb --memory unlike
        offers ""
        ask $shell reclaim $verb -m 2G --vers
        offers --version
    done
    ask $shell reclaim map --report unlike
    offers unlike-any-other
    ask $shell reclaim wait 7 --js # options may stand behind words
    offers --json
    ask $shell reclaim wait unlike
    offers ""
    ask $shell reclaim list --socket unlike
    offers unlike-any-other
    ask $shell reclaim daemon sta
    offers "$(printf '%s\n' start status)"
    ask $shell reclaim run mkfifo --mem # a command's options are not ours
    lacks out --memory
done

finish
