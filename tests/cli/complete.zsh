# What zsh completes: a line for each match, as its own completion system gives them to an interactive shell.
#
#     zsh -f tests/cli/complete.zsh directory/of/_reclaim 'line to complete'
emulate -R zsh
zmodload zsh/zpty
matches=$(mktemp) || exit 1
trap 'zpty -d shell; rm -f $matches $matches.done' EXIT

zpty shell zsh -f -i
zpty -w shell "matches=$matches; fpath=(${(q)1} \$fpath); PS1=; unsetopt zle_bracketed_paste"
zpty -w shell 'autoload -Uz compinit && compinit -u -D'
zpty -w shell 'compadd() {
    local -a hits
    [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] || { builtin compadd -O hits "$@"; print -rl -- $hits >>$matches }
    builtin compadd "$@"
}
complete-and-say() { zle complete-word; : >$matches.done }
zle -N complete-and-say
bindkey "^I" complete-and-say
print rea""dy'
while zpty -r shell said && [[ $said != *ready* ]] do done
zpty -w -n shell $2$'\t'
integer left=200
until [[ -e $matches.done ]] || (( left-- == 0 )) do
    sleep 0.05
    zpty -r -t shell said # it must not wait for a reader
done
[[ -e $matches.done ]] || exit 1
sort -u $matches
