"""On which smallest packet is this checksum wrong?

A kit that hands cases to an implementation and compares what comes back: `assert_checksum_conformant` for functions in
tests, ``pktlab checksum fuzz`` for functions, shared libraries and programs.

    kinds.py      what a function is given and has to answer, a kind a protocol
    schedule.py   which cases are tried: sizes up to 64 KiB first, then tuned sums, then drawn ones
    targets.py    functions and processes behind one door; worker.py: the process that runs a function
    shrink.py     from a case that fails to the smallest
    mistakes.py   known mistakes as functions, to name the one that explains the answers; probes.py: as packets
    hints.py      what the wrong ones have in common, if it is none of these
    run.py        the run, its report, `assert_checksum_conformant`

It imports `pktlab.wire.checksum` and the standard library only, and `pktlab.capture` to write what was found.
"""
