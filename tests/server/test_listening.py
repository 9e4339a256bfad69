"""Where the server listens, and what is said when it can't."""

import socket

import pytest

from argoscope.server import ListenError, bind


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::", ""], ids=["[::]", "no host"])
@pytest.mark.parametrize("from_", ["127.0.0.1", "::1"])
def test_all_interfaces_are_ipv4_and_ipv6(host: str, from_: str) -> None:
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection((from_, port), timeout=5).close()


def test_a_machine_without_ipv6_listens_on_all_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with bind("::", 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


def test_a_name_is_looked_up() -> None:
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


def test_an_address_in_use_is_named() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}.*something else listens"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no-such-name.invalid"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(ListenError, match="can't listen on") as caught:
        bind(host, 0)
    assert host in str(caught.value)
