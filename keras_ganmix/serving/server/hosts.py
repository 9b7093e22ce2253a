"""Whom a request over HTTP takes this server for."""

import ipaddress
import re

_PORT = re.compile(r":[0-9]*$", re.ASCII)


def is_loopback(host):
    """Whether only this machine reaches an address, `"127.0.0.1"` or so."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_nobodys_name(host):
    """Whether a `Host` header is an address, or `localhost`.

    The owner of any other name may let it point to this machine (DNS
    rebinding). A browser then takes the server for a part of their site, whose
    pages may read all that it answers.

    Args:
        host: the header, `name` or `name:port`; `""` without one, which
            browsers never send.
    """
    name = _PORT.sub("", host.lower()).strip("[]").removesuffix(".")
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
