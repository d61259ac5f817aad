# SPDX-License-Identifier: MIT
#
# Completion for the command premap in fish.

set -l commands load cat status evict help
set -l lists '__fish_seen_subcommand_from load status evict'
set -l load '__fish_seen_subcommand_from load'
set -l none "not __fish_seen_subcommand_from $commands"

complete -c premap -n $none -f
complete -c premap -n $none -s h -l help -d 'Show help'
complete -c premap -n $none -s V -l version -d 'Show the version'
complete -c premap -n $none -a load -d 'Load files into memory, all at once'
complete -c premap -n $none -a cat -d 'Write the bytes of files, through a loaded region'
complete -c premap -n $none -a status -d 'Show how much of files is in memory'
complete -c premap -n $none -a evict -d 'Let files go from memory'
complete -c premap -n $none -a help -d 'Show the help of a command'
complete -c premap -n '__fish_seen_subcommand_from help' -f -a 'load cat status evict'

complete -c premap -n '__fish_seen_subcommand_from load cat status evict' -s h -l help -d 'Show help'
complete -c premap -n $lists -l from -r -F -d 'Read names from a file, one a line'
complete -c premap -n $lists -s 0 -l null -d 'Names that are read end with NUL'
complete -c premap -n $lists -l json -d 'Print one JSON object a line'
complete -c premap -n $lists -l plain -d 'No progress bar, colour or alignment'
complete -c premap -n $lists -l color -x -a 'auto always never' -d 'Colour the output'
complete -c premap -n '__fish_seen_subcommand_from load evict' -s q -l quiet -d 'Print errors only'

complete -c premap -n $load -l prefault -x -a 'none populate advise' -d 'How far to bring pages in'
complete -c premap -n $load -l backing -x -a 'auto mapped copied' -d 'Where the bytes live'
complete -c premap -n $load -l offset -x -d 'First byte to load of each file'
complete -c premap -n $load -l length -x -d 'Bytes to load of each file'
complete -c premap -n $load -l lock -d 'Lock the pages in memory'
complete -c premap -n $load -l hold -d 'Keep the files loaded until interrupted'
complete -c premap -n $load -l touch -d 'Then touch every page twice'
complete -c premap -n $load -l timeout -x -d 'Cancel what is not loaded by then'
complete -c premap -n $load -l workers -x -d 'Threads that load'
