"""``argoscope inspect``: the daemon's derivation over files."""
