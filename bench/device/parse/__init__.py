"""What phones print, read: text in, a record or None out, and never an exception.

One concern a file. A value is right or None: where a phone's text can be read in two ways,
or is known to lie, it is None.
"""
