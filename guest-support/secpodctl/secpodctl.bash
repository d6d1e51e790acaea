# SPDX-License-Identifier: MIT
# bash completion for secpodctl(8)

_secpodctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} commands="status log stats policy sites lock check selftest"
	local options="--json --version --help" word
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		log) options="-f --follow --json" commands= ;;
		stats) options="--watch --watch= --json" commands= ;;
		status | policy | sites | lock | check | selftest) options="--json" commands= ;;
		esac
	done
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
	fi
}
complete -F _secpodctl secpodctl
