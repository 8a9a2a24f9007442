# shellcheck shell=bash
# bash completion for filed(1)

_filed() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
	COMPREPLY=()
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	[[ $word == = ]] && before=${COMP_WORDS[COMP_CWORD - 1]} word=
	case $before in
	-s | --state | --ro | --rw | --exec | --exec-dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-g | --grace | --connect | --bind) return ;;
	-o) words=allow_other ;;
	--run-as) words='owner daemon' ;;
	--env) words=$(compgen -e) ;;
	--log-level) words='debug info warn error' ;;
	--log-format) words='text json' ;;
	*)
		if [[ $word != -* ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -d -- "$word")
			return
		fi
		words='--state --grace --run-as --env --clear-env --sandbox --ro --rw --exec --connect --bind
			--exec-dir --log-level --log-format --help --version --man'
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _filed filed
