# SPDX-License-Identifier: MIT
#
# Completion for the command premap in bash.

_premap() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local lists='--from= --null --json --plain --color= --help' flags
  COMPREPLY=()

  # bash makes = a word of its own.
  if [ "$word" = = ]; then
    word=
  elif [ "$previous" = = ]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $previous in
  --prefault) mapfile -t COMPREPLY < <(compgen -W 'none populate advise' -- "$word") ;;
  --backing) mapfile -t COMPREPLY < <(compgen -W 'auto mapped copied' -- "$word") ;;
  --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word") ;;
  --offset | --length | --timeout | --workers) return ;;
  esac
  [ ${#COMPREPLY[@]} -gt 0 ] && return

  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'load cat status evict help --help --version' -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
  load) flags="$lists --quiet --prefault= --backing= --offset= --length= --lock --hold --touch --timeout= --workers=" ;;
  status) flags=$lists ;;
  evict) flags="$lists --quiet" ;;
  cat) flags=--help ;;
  help)
    mapfile -t COMPREPLY < <(compgen -W 'load cat status evict' -- "$word")
    return
    ;;
  *) return ;;
  esac
  if [ "${word#-}" != "$word" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
    # What takes an argument is not a whole word yet.
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
  return 0
}

complete -o filenames -F _premap premap
