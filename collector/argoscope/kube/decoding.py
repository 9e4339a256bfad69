"""What is in the way of decoding what a server, or a file, says it is JSON."""

import msgspec

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding raises: the latter two for objects that are nested too deep, and for text that is
not UTF-8."""
