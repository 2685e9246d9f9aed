"""How does a person ask? The command line: Click, one file a command."""
