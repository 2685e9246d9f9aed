"""How does a person ask? The command line: Click, one file a command.

Rules

- Data go to standard output, everything else to standard error; ``-`` is standard input or output.
- A command reads its options, calls the library, prints its rows. What is used twice is in `options` or `printing`.
- Nothing heavy is imported before a command runs: `main` knows the commands by name only.
- Whatever a packet or a file name holds is escaped before it is printed.
- Only `errors` turns an error into a line and an exit status.

    main.py     the table of commands          groups.py    commands that load late and show examples
    errors.py   errors, exit statuses          options.py   options that commands share
    printing.py lines, tables, JSON, colour    progress.py  the progress bar
    tally.py    verdicts counted               hextext.py   hex as people paste it
"""
