"""Certificates, made with the real openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Files in ``folder``: a certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make certificates")
    folder.mkdir(exist_ok=True)
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    made += ["-nodes", "-days", "2", "-subj", "/CN=argo", "-addext", "subjectAltName=IP:127.0.0.1"]
    made += ["-keyout", str(private), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, private
