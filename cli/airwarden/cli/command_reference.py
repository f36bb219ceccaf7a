"""The reference page of all commands, made from their declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from airwarden.cli.failures import EXIT_CODES
from airwarden.cli.main import application

_HEAD = """\
# Command reference

Generated from the declarations in `cli/airwarden/cli/commands/`; do not edit.

Errors are one block on stderr; `airwarden --debug COMMAND …` shows the traceback. Every command takes
`--config` (or `AIRWARDEN_CONFIG`); with none it reads `./airwarden.yaml`. Every command that prints data
takes `--output json`: [what it prints then](json.md).

## Exit codes

| code | meaning |
|---|---|
{codes}

## Completion in the shell

`airwarden --install-completion` sets it up for the shell that you are in (bash, zsh, fish, PowerShell);
`airwarden --show-completion` prints it, for a package or a dotfile of yours.
"""


def render() -> str:
    """Return the page as Markdown; every command and option has its line."""
    group = get_command(application())
    if not isinstance(group, TyperGroup):
        raise TypeError("the program has no commands")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    return "\n".join([_HEAD.format(codes=codes), *_sections(group, "")])


def _sections(group: TyperGroup, before: str) -> Iterator[str]:
    for name, one in group.commands.items():
        if isinstance(one, TyperGroup):
            yield from _sections(one, f"{before}{name} ")
        elif isinstance(one, TyperCommand):
            yield _section(f"{before}{name}", one)


def _section(name: str, command: TyperCommand) -> str:
    described = inspect.cleandoc(command.help or "")
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    usage = " ".join(["airwarden", name, *(f"{one.name}".upper() for one in arguments)])
    lines = [f"## `{usage}`", "", described, "", "| option | meaning |", "|---|---|"]
    lines += [
        f"| {_names(one)} | {one.help or ''} {_default(one)}|"
        for one in command.params
        if isinstance(one, TyperOption) and not one.hidden
    ]
    return "\n".join(lines) + "\n"


def _names(option: TyperOption) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: TyperOption) -> str:
    default = option.default
    if option.required:
        return "Required. "
    if default is True:
        return "On by default. "
    if default in (None, "", False) or callable(default):
        return ""
    return f"Default: `{getattr(default, 'value', default)}`. "
