"""What can a checksum not see?

Errors are inserted into data, and those that the Internet checksum does not notice are counted, CRC-32, Fletcher-16 and
Adler-32 beside it: ``pktlab checksum errors``.

    models.py     the kinds of error: drawn, applied, and as the difference that they make to the sum
    sources.py    what they are inserted into: a file, random bytes, text, a program
    measure.py    counting, the interval that the count allows, the formula
    plot.py       the rates as a picture

It imports numpy and `pktlab.errors` only.
"""
