# fish completion for filed(1)

complete -c filed -f -a '(__fish_complete_directories)'
complete -c filed -s s -l state -r -F -d 'Keep the queue in FILE'
complete -c filed -s g -l grace -x -d 'At a stop, let running jobs go on so many seconds'
complete -c filed -s o -x -a allow_other -d 'Admit other users'
complete -c filed -l run-as -x -a 'owner daemon' -d 'Whom root runs jobs as'
complete -c filed -l env -x -a '(set --names --export)' -d 'Give jobs a variable'
complete -c filed -l clear-env -d 'Give jobs none of the other variables'
complete -c filed -l log-level -x -a 'debug info warn error' -d 'Log what is at least as grave'
complete -c filed -l log-format -x -a 'text json' -d 'How the log is written'
complete -c filed -s h -l help -d 'Print a short help and exit'
complete -c filed -s V -l version -d 'Print the version and exit'
complete -c filed -l man -d 'Print the manual and exit'
