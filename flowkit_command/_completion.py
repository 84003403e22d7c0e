"""Completion for bash and zsh, told by the parser itself."""

from __future__ import annotations

import argparse

_BASH = """\
_flowkit() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}} $before" in
{values}
        esac
        if [ -z "$words" ]; then
            case "${{COMP_WORDS[1]}}" in
{options}
            esac
            case "$word" in -*) ;; *) words="" ;; esac
        fi
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [ -n "$words" ] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _flowkit flowkit
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script that completes commands, options, their values and names of files.

    Parameters
    ----------
    parser : ArgumentParser
        With subcommands.
    shell : {'bash', 'zsh'}
        The shell; zsh runs completions of bash.

    Returns
    -------
    str
        The script.
    """
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    options, values = [], []
    for name, command in commands.items():
        actions = [action for action in command._actions if action.help != argparse.SUPPRESS]
        flags = " ".join(flag for action in actions for flag in action.option_strings)
        options.append(f'                {name}) words="{flags}" ;;')
        for action in (action for action in actions if action.choices):
            # What comes after the name of the command itself has no flag.
            before = action.option_strings or [name]
            patterns = " | ".join(f'"{name} {flag}"' for flag in before)
            choices = " ".join(map(str, action.choices))
            values.append(f'            {patterns}) words="{choices}" ;;')
    script = _BASH.format(
        commands=" ".join(commands), options="\n".join(options), values="\n".join(values)
    )
    return (_ZSH if shell == "zsh" else "") + script
