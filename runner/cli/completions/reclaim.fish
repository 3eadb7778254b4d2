# fish completion for reclaim(1). Verbs and options are those that --help names.

# The words after reclaim and its options: the verb's command, as far as there is one.
function __reclaim_command
    set -l words (commandline -opc)
    set -e words[1..2]
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case '-*'
                contains -- $words[1] $__reclaim_valued; and set -e words[1]
                set -e words[1]
            case '*'
                break
        end
    end
    string escape -- $words
end

function __reclaim_after -a verb
    set -l words (commandline -opc)
    test "$words[2]" = $verb
end

function __reclaim_in -a verb
    __reclaim_after $verb; and test -z "$(__reclaim_command)"
end

function __reclaim_complete_command
    set -l line "$(string join ' ' -- (__reclaim_command) (commandline -ct))"
    string match -qr '^[^-]' -- $line; and complete "-C$line"
end

# A verb's options, each with its description; FILE and DIR complete as such, other values not at all.
function __reclaim_add_options -a verb where
    for line in (reclaim $verb --help 2>/dev/null)
        string match -qr '^  (?:-(?<letter>.),|   ) --(?<name>[a-z-]+)(?: (?<value>[A-Z]+))? +(?<help>.*)$' -- $line
        or continue
        set -l options -c reclaim -n "$where $verb" -l $name -d $help
        test -n "$letter"; and set -a options -s $letter
        if test -n "$value"
            set -a options -r
            set -a __reclaim_valued --$name
            test -n "$letter"; and set -a __reclaim_valued -$letter
        end
        switch "$value"
            case FILE
                set -a options -F
            case DIR
                set -a options -f -a '(__fish_complete_directories)'
            case '*'
                set -a options -f
        end
        complete $options
    end
end

# What a verb takes behind its options: a command, words to choose from, or nothing that is known.
function __reclaim_add_words -a verb
    set -l usage (reclaim $verb --help 2>/dev/null)[1]
    if string match -q '*COMMAND*' -- $usage
        complete -c reclaim -n "__reclaim_after $verb" -a '(__reclaim_complete_command)'
        __reclaim_add_options $verb __reclaim_in
        return
    end
    if string match -qr ' (?<words>[a-z]+\|[a-z|]+)' -- $usage
        complete -c reclaim -n "__reclaim_after $verb" -a "$(string replace -a '|' ' ' -- $words)"
    end
    __reclaim_add_options $verb __reclaim_after
end

set -g __reclaim_valued
complete -c reclaim -f
complete -c reclaim -n __fish_is_first_token -l help -d 'list the verbs'
complete -c reclaim -n __fish_is_first_token -l version -d 'say the version'
for line in (reclaim --help 2>/dev/null)
    string match -qr '^  (?<verb>[a-z]+)  +(?<help>.*)$' -- $line
    or continue
    complete -c reclaim -n __fish_is_first_token -a $verb -d $help
    __reclaim_add_words $verb
end
