"""Which addresses may be fetched from: the public internet, and what the operator named."""

import ipaddress
import socket
from typing import TypeAlias

from app.errors import FolioError, InvalidRequest

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beside what Python's ipaddress knows not to be global (IANA's registries of special addresses):
# protocol assignments, among which clouds keep their metadata, and the relays of 6to4.
_NOT_PUBLIC_IPV4 = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
# All of IPv6 that is routed lies in the first; of it, protocols, tunnels and documentation do not.
_ROUTED_IPV6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
# An IPv4 address in the last 32 bits: mapped, and translated by NAT64 (RFC 6052).
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))


class ForbiddenAddress(FolioError):
    """A URL leads where this service may not go."""

    status, code = 403, "forbidden_address"


class UnknownHost(FolioError):
    """A name has no address."""

    status, code = 422, "fetch_failed"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks as `10.0.0.0/8, ::1`; raises InvalidRequest."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidRequest(f"FOLIO_FETCH_NETWORKS: {error}") from error


def check_host(host: str, port: int, networks: tuple[Network, ...]) -> str:
    """Return the address to connect to; raises ForbiddenAddress unless all of them are allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise UnknownHost(f"no such host: {host}") from error
    # A scope such as %eth0 only link-local addresses have.
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not is_allowed(address, networks):
            # Not which address: who may write need not learn how names resolve in here.
            raise ForbiddenAddress(
                f"{host} is not on the public internet; "
                "FOLIO_FETCH_NETWORKS names the networks that are allowed beside it"
            )
    return str(addresses[0])


def is_allowed(address: Address, networks: tuple[Network, ...]) -> bool:
    """Return whether an address, and the IPv4 address that it may stand for, can be reached."""
    if any(address in network for network in networks):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        public = address.is_global and not address.is_multicast and not address.is_reserved
        return public and not any(address in network for network in _NOT_PUBLIC_IPV4)
    if any(address in network for network in _EMBEDDING):
        return is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF), networks)
    return address in _ROUTED_IPV6 and not any(address in network for network in _NOT_PUBLIC_IPV6)
