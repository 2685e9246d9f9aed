"""``pktlab completion``: the script that makes a shell complete pktlab's commands and options."""

from __future__ import annotations

import click

from pktlab_cli.options import command

__all__ = ["completion"]


@command("completion", "pktlab completion zsh", "pktlab completion fish")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    For bash, put this line into ~/.bashrc: eval "$(pktlab completion bash)"

    For zsh, put the same with zsh into ~/.zshrc. For fish, write the output to
    ~/.config/fish/completions/pktlab.fish.
    """
    from click.shell_completion import get_completion_class

    from pktlab_cli.main import cli

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(cli, {}, "pktlab", "_PKTLAB_COMPLETE").source())
