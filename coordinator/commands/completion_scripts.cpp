#include "coordinator/commands/completion_scripts.h"

namespace jackdaw::cli {
namespace {

// bash parts words at COMP_WORDBREAKS, too ("mariadb:10" is three of them): those that stand
// together in the line are glued again, and what bash has of the last one already is taken off the
// answers.
// `%q`: a name may hold what a shell would obey.
constexpr std::string_view bash_script =
    R"SH(# bash completion of jackdaw: source <(jackdaw completion bash)
_jackdaw() {
    local -a words=() lines=()
    local rest=${COMP_LINE:0:COMP_POINT} piece line word begun current
    local -i i
    rest=${rest#*"${COMP_WORDS[0]}"}
    for ((i = 1; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        if [[ ${#words[@]} == 0 || $rest == [[:blank:]]* ]]; then
            rest=${rest#"${rest%%[![:blank:]]*}"}
            words+=('')
        fi
        [[ $rest == "$piece"* ]] || piece=$rest # the cursor stands inside it
        words[${#words[@]} - 1]+=$piece
        rest=${rest#"$piece"}
    done
    begun=${words[${#words[@]} - 1]}
    current=$piece
    [[ $current != [=:] ]] || current=''
    COMPREPLY=()
    mapfile -t lines < <(jackdaw __complete "${words[@]}" 2>/dev/null)
    for line in "${lines[@]}"; do
        case $line in
            :files) compopt -o default; return ;;
            :folders) compopt -o dirnames; return ;;
        esac
        word=${line%%$'\t'*}
        printf -v word %q "${word#"${begun%"$current"}"}"
        [[ $word != *= ]] || compopt -o nospace
        COMPREPLY+=("$word")
    done
}
complete -F _jackdaw jackdaw
)SH";

constexpr std::string_view zsh_script = R"SH(#compdef jackdaw
# zsh completion of jackdaw: source <(jackdaw completion zsh), or as _jackdaw in a folder of fpath
_jackdaw() {
    local -a lines names texts settings setting_texts
    local line name text
    lines=("${(@f)$(jackdaw __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        case $line in
            '') continue ;;
            :files) _files; return ;;
            :folders) _files -/; return ;;
        esac
        name=${line%%$'\t'*}
        text=$name
        [[ -z ${line#*$'\t'} ]] || text="$name  -- ${line#*$'\t'}"
        if [[ $name == *= ]]; then
            settings+=("$name"); setting_texts+=("$text")
        else
            names+=("$name"); texts+=("$text")
        fi
    done
    (( $#names == 0 )) || compadd -l -d texts -a names
    (( $#settings == 0 )) || compadd -S '' -l -d setting_texts -a settings
}
if [[ ${funcstack[1]} == _jackdaw ]]; then
    _jackdaw "$@"
else
    compdef _jackdaw jackdaw
fi
)SH";

constexpr std::string_view fish_script =
    R"SH(# fish completion of jackdaw: jackdaw completion fish | source
function __jackdaw_complete
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    set -l lines (jackdaw __complete $words 2>/dev/null)
    switch "$lines[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :folders
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $lines
    end
end
complete -c jackdaw -f -a '(__jackdaw_complete)'
)SH";

} // namespace

std::string_view script_for(std::string_view shell) {
    return shell == "bash"   ? bash_script
           : shell == "zsh"  ? zsh_script
           : shell == "fish" ? fish_script
                             : std::string_view{};
}

} // namespace jackdaw::cli
