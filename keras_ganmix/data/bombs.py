"""Files that claim to become far more than they are."""

# Deflate cannot make more than 1,032 bytes of one.
_MOST_POSSIBLE = 1040
# What pictures reach; a set of blank ones would reach more.
_MOST_USUAL = 200
_ALWAYS_ALLOWED = 2**26


def check_expansion(what, packed, unpacked):
    """Refuses compressed data that would fill the memory for nothing.

    Args:
        what: its name, for the message.
        packed: its bytes in the file.
        unpacked: the bytes that it claims to become.

    Raises:
        ValueError: if it cannot become that much, or would be a bomb.
    """
    if unpacked > _MOST_POSSIBLE * packed + 1024:
        raise ValueError(
            f"source: {what} claims {unpacked} bytes, which cannot come from "
            f"{packed} compressed ones; it is truncated or damaged."
        )
    if unpacked > max(_ALWAYS_ALLOWED, _MOST_USUAL * packed):
        raise ValueError(
            f"source: {what} would unpack {packed} bytes to {unpacked}, more "
            f"than {_MOST_USUAL} times as many: blank pictures, or a bomb. "
            "Save it uncompressed if it is meant."
        )
