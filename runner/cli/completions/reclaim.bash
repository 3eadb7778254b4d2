# bash completion for reclaim(1). Verbs and options are those that --help names.

# COMMAND VERB: a line "-m --memory SIZE" an option; - where there is no letter, and nothing where there is no value.
_reclaim_options() {
    "$1" "$2" --help 2>/dev/null | sed -nE '
        s/^  (-.), (--[a-z-]+)( ([A-Z]+))? .*/\1 \2 \4/p
        s/^      (--[a-z-]+)( ([A-Z]+))? .*/- \1 \3/p'
}

_reclaim_verbs() {
    "$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+)  .*/\1/p'
}

# What a verb takes behind its options: "command", words to choose from, or nothing.
_reclaim_words() { # COMMAND VERB
    local usage
    usage=$("$1" "$2" --help 2>/dev/null | sed -n '1s/\[[^]]*\]//gp')
    case $usage in
    *COMMAND*) echo command ;;
    *\|*) sed -E 's/.* ([a-z|]+).*/\1/; s/\|/ /g' <<<"$usage" ;;
    esac
}

# The command's own completion, where bash-completion is loaded; else names of commands and of files.
_reclaim_command() { # index of its first word
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$2")
    fi
}

_reclaim_value() { # SIZE or FILE or ..., what there is of it
    case $1 in
    FILE) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    DIR) mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    *) compopt +o bashdefault +o default 2>/dev/null ;; # nothing, rather than files
    esac
}

_reclaim() {
    local program=$1 current=$2 letter option value words="" takes
    local -A values=()
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(_reclaim_verbs "$program") --help --version" -- "$current")
        return
    fi
    while read -r letter option value; do
        values[$option]=$value
        words+=" $option"
        [ "$letter" = - ] && continue
        values[$letter]=$value
        words+=" $letter"
    done < <(_reclaim_options "$program" "${COMP_WORDS[1]}")
    takes=$(_reclaim_words "$program" "${COMP_WORDS[1]}")
    local i=2 awaited=""
    for (( ; i < COMP_CWORD; i++)); do
        local word=${COMP_WORDS[i]}
        case $word in
        --) ((i++)) && break ;;
        -*) awaited=${values[$word]-} ;;
        *)
            [ "$awaited" ] || [ "$takes" != command ] || break
            [ "$word" = = ] || awaited="" # bash gives --memory=2G as three words
            ;;
        esac
    done
    if [ "$takes" = command ] && { ((i < COMP_CWORD)) || [ "${COMP_WORDS[i - 1]}" = -- ]; }; then
        _reclaim_command "$i" "$current"
    elif [ "$awaited" ]; then
        [ "$current" = = ] && current=""
        _reclaim_value "$awaited" "$current"
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    elif [ "$takes" = command ]; then
        _reclaim_command "$COMP_CWORD" "$current"
    else
        compopt +o bashdefault +o default 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$takes" -- "$current")
    fi
}

complete -o bashdefault -o default -F _reclaim reclaim
