"""Reads a kubeconfig with the ``kubernetes`` package, in a process of its own.

    python -m argoscope.kube.kubeconfig PATHS [CONTEXT]

Importing that package takes some 20 MiB, which a daemon that reads credentials now and then would
hold for good. Says its ``Answer`` as JSON on stdout.
"""

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec


class Answer(msgspec.Struct, omit_defaults=True):
    """What a kubeconfig's context says; or ``error``, and nothing else."""

    error: str = ""
    server: str = ""
    authorization: str = ""
    ca: str | None = None
    """Certificates and key: PEM, since the library's files end with its process."""
    cert: str | None = None
    key: str | None = None
    verify: bool = True
    server_hostname: str | None = None
    proxy: str | None = None
    plugin: str = ""
    """What made the user's credentials; empty where they are in files."""
    expiry: float | None = None
    """Unix seconds."""
    files: tuple[str, ...] = ()
    """What was read: while these stay as they are, so does the answer, but for a plugin's."""


_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError)
"""What the library raises for a document that has not a kubeconfig's shape."""

_UNSET = {
    "host": "",
    "ssl_ca_cert": None,
    "cert_file": None,
    "key_file": None,
    "verify_ssl": True,
    "tls_server_name": None,
    "proxy": None,
}
"""The attributes that the library's loader sets where the kubeconfig says something."""


def read(paths: str, context: str | None) -> Answer:
    """``paths`` as in KUBECONFIG; runs the context's credential plugin, if it has one."""
    library: Any = importlib.import_module("kubernetes.config.kube_config")
    target: Any = SimpleNamespace(**_UNSET, api_key={})
    try:
        merger = library.KubeConfigMerger(paths)
        if merger.config is None:
            return Answer(error="no such file, or an empty one")
        loader = library.KubeConfigLoader(
            merger.config,
            active_context=context,
            config_base_path=None,
            config_persister=merger.save_changes,
        )
        loader.load_and_set(target)
        named = loader.current_context["context"]
        files = (*paths.split(os.pathsep), *_named_files(merger.config, named))
        expiry = getattr(loader, "expiry", None)
        return Answer(
            server=target.host,
            authorization=target.api_key.get("BearerToken", "").strip(),
            ca=_text(target.ssl_ca_cert),
            cert=_text(target.cert_file),
            key=_text(target.key_file),
            verify=target.verify_ssl,
            server_hostname=target.tls_server_name,
            proxy=target.proxy,
            plugin=_plugin(_entry(merger.config, named, "user")),
            expiry=expiry.timestamp() if expiry is not None else None,
            files=tuple(str(Path(file).expanduser()) for file in files),
        )
    except (library.ConfigException, library.yaml.YAMLError, OSError, *_MISSHAPEN) as error:
        return Answer(error=str(error))


def pem_text(file: Path) -> str:
    """The file without what is not ASCII: in a PEM that is comments, in names of authorities."""
    return file.read_text("ascii", "ignore")


def _text(file: str | None) -> str | None:
    return pem_text(Path(file)) if file else None


def _entry(config: Any, context: Any, kind: str) -> Any:
    """The context's cluster or user with the path of the file that it stands in; None if there is
    none."""
    name = context.get(kind)
    return config[f"{kind}s"].get_with_name(name, safe=True) if name else None


def _plugin(node: Any) -> str:
    user = node.value["user"] if node is not None else None
    if isinstance(user, dict) and "exec" in user:
        return f"the exec plugin {user['exec'].get('command', '')!r}"
    return "the auth provider" if isinstance(user, dict) and "auth-provider" in user else ""


def _named_files(config: Any, context: Any) -> Iterator[str]:
    for kind, fields in (
        ("cluster", ("certificate-authority",)),
        ("user", ("client-certificate", "client-key", "tokenFile")),
    ):
        node = _entry(config, context, kind)
        for field in fields:
            if node is not None and (file := (node.value[kind] or {}).get(field)):
                yield str(Path(node.path).parent / file)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who started this one has the last word
    # A plugin may ask a person, and does if our stdout is a terminal: so that is our stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    found = read(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    with suppress(BrokenPipeError), os.fdopen(answer, "wb") as out:  # who asked may be gone
        out.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
