/**
 * What a shell is told once, so that it asks `udp-tool complete -- WORDS…` at every Tab. That prints a candidate a line,
 * `value TAB summary`, or one of two words that no candidate is: `:file` and `:dir`, which the shell completes itself.
 * No script evaluates what stands on the line.
 */

/** Readline cuts words at = and :, and replaces what stands behind the last one. Runs in bash 3.2 too, as on macOS. */
const BASH = `# udp-tool completion for bash:  eval "$(udp-tool completion bash)"
_udp_tool() {
  local -a words=()
  local i word glued='' line cur last
  for (( i = 1; i <= COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    last=$(( \${#words[@]} - 1 ))
    if (( last >= 0 )) && [[ -n $glued || ( -n $word && $word != *[^=:]* ) ]]; then
      words[last]+=$word
    else
      words+=("$word")
    fi
    if [[ -n $word && $word != *[^=:]* ]]; then glued=1; else glued=''; fi
  done
  cur=\${words[\${#words[@]} - 1]}
  local cut=\${cur%"\${cur##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :file) compopt -o default 2>/dev/null ;;
      :dir) compopt -o dirnames 2>/dev/null ;;
      *) line=\${line%%$'\\t'*}; COMPREPLY+=("\${line#"$cut"}") ;;
    esac
  done < <(command udp-tool complete -- "\${words[@]}" 2>/dev/null)
}
complete -F _udp_tool udp-tool
`;

const ZSH = `#compdef udp-tool
# udp-tool completion for zsh, after compinit:  eval "$(udp-tool completion zsh)"
# or as a file _udp-tool in a folder of $fpath.
_udp_tool() {
  local -a found
  local line value
  while IFS= read -r line; do
    case $line in
      (:file|:dir)
        [[ $words[CURRENT] == --*=* ]] && compset -P '*='
        if [[ $line == :dir ]]; then _files -/; else _files; fi
        return ;;
      (*)
        value=\${line%%$'\\t'*}
        found+=("\${value//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done < <(command udp-tool complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  _describe udp-tool found
}
if [[ $funcstack[1] == _udp-tool ]]; then _udp_tool "$@"; else compdef _udp_tool udp-tool; fi
`;

const FISH = `# udp-tool completion for fish:  udp-tool completion fish | source
function __udp_tool_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    for line in (command udp-tool complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':file'
                __fish_complete_path "$current"
            case ':dir'
                __fish_complete_directories "$current" ''
            case '*'
                printf '%s\\n' $line
        end
    end
end
complete -c udp-tool -f -a '(__udp_tool_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
