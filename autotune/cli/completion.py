"""`autotune completion SHELL`: the script by which a shell completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from autotune.cli.common_options import CommonOptions, verb
from autotune.cli.output import print_json

COMPLETE = "_AUTOTUNE_COMPLETE"
"""The variable through which a shell asks: click looks for it under this name."""
WHERE = {
    "bash": ("~/.bashrc", "source <(autotune completion bash)"),
    "zsh": ("~/.zshrc, below compinit", "source <(autotune completion zsh)"),
    "fish": ("~/.config/fish/config.fish", "autotune completion fish | source"),
    "powershell": ("the file that $PROFILE names", "autotune completion powershell | Out-String | Invoke-Expression"),
}
"""Shell -> the file, and the line to put there."""

# Older clicks know no PowerShell. It asks as bash does: words in POSIX quotes, a line `type,value` for each answer.
POWERSHELL = r"""
Register-ArgumentCompleter -Native -CommandName autotune -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value }
        else { $_.Extent.Text }
    })
    $program = $words[0]
    $quoted = @($words) + "$wordToComplete" | ForEach-Object { "'" + $_.Replace("'", "'\''") + "'" }
    $before = @{}
    $asked = @{ COMP_WORDS = $quoted -join ' '; COMP_CWORD = "$($words.Count)"; _AUTOTUNE_COMPLETE = 'bash_complete' }
    foreach ($name in $asked.Keys) {
        $before[$name] = [Environment]::GetEnvironmentVariable($name)
        [Environment]::SetEnvironmentVariable($name, $asked[$name])
    }
    try { $answers = @(& $program 2>$null) }
    finally { foreach ($name in $before.Keys) { [Environment]::SetEnvironmentVariable($name, $before[$name]) } }
    # An answer of type file or dir names no value; without any answer PowerShell completes paths by itself.
    foreach ($answer in $answers) {
        $type, $value = $answer -split ',', 2
        if ($type -eq 'plain') {
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $value)
        }
    }
}
"""


@verb("completion")
@click.argument("shell", type=click.Choice(list(WHERE)))
def completion_command(common: CommonOptions, shell: str) -> None:
    """Prints the script by which SHELL completes verbs and options; its last lines say where the line for it goes."""
    text = script(shell)
    if common.as_json:
        print_json("completion", {"shell": shell, "script": text})
    else:
        click.echo(text.encode(), nl=False)  # bytes: the bash of Windows takes no line that ends as Windows' do


def script(shell: str) -> str:
    """The script for one of the shells of ``WHERE``, with the line that loads it as a comment.

    The comment stands last: zsh looks for a mark of its own in the first line.
    """
    file, line = WHERE[shell]
    found = POWERSHELL
    if shell != "powershell":
        from autotune.cli.main import cli

        known = get_completion_class(shell)
        assert known is not None
        asked = known(cli, {}, "autotune", COMPLETE)
        # Not source(): for bash that runs a bash to see its version.
        found = asked.source_template % asked.source_vars()
    return f"{found.strip()}\n\n# To have it in each new shell, put this line into {file}:\n#   {line}\n"
