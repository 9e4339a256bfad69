"""The server's certificate, read again when its files change."""

import asyncio
import ssl
from pathlib import Path

import structlog

RECHECK = 10.0
"""Seconds between two looks at the files; a kubelet takes up to two minutes to write them."""

log = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


class TlsError(Exception):
    """The files can't be used: which ones, why, and what to do."""


class ServingTls:
    """``context`` is for the listener, and stays the same: each handshake takes the certificate
    that was read last. With ``client_ca`` certificates of clients are verified, and none is asked
    for: probes have none."""

    def __init__(self, cert: str, key: str, client_ca: str = "") -> None:
        """Raises TlsError."""
        self._files = tuple(Path(name) for name in (cert, key, client_ca) if name)
        self._arguments = (cert, key, client_ca)
        self._stamp = self._stamped()
        self._latest = self._load()
        self._refused: _Stamp | None = None
        self.context = self._load()
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Called in each handshake, also when the client names no server.
        connection.context = self._latest

    async def keep_fresh(self) -> None:
        """Looks at the files for ever; what can't be read leaves the last one in use."""
        while True:
            await asyncio.sleep(RECHECK)
            self.refresh()

    def refresh(self) -> None:
        """Takes the files if they have changed since they were read."""
        try:
            stamp = self._stamped()
            if stamp in (self._stamp, self._refused):
                return
            self._refused = stamp  # in the middle of a change they may not fit to each other
            self._latest = self._load()
        except TlsError as error:
            log.warning("new certificate not taken: the last one stays in use", reason=str(error))
            return
        self._stamp, self._refused = stamp, None
        log.info("certificate read again", cert=self._arguments[0])

    def _stamped(self) -> _Stamp:
        try:
            stats = [file.stat() for file in self._files]
        except OSError as error:
            raise TlsError(f"{error.filename} can't be read: {error.strerror}") from error
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _load(self) -> ssl.SSLContext:
        cert, key, client_ca = self._arguments
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A resumed session would carry on with a certificate that is no longer trusted.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without a password an encrypted key would ask for one on the terminal.
            context.load_cert_chain(cert, key, password=_no_password)
            if client_ca:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_OPTIONAL
        except (OSError, ValueError) as error:
            files = " and ".join(str(file) for file in self._files)
            raise TlsError(
                f"{files} can't be used: {error}; they must be PEM, and the key must be the"
                " certificate's and not encrypted"
            ) from error
        return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
