"""One kind, one file: the typed object, its metrics, its derivation, and ``RESOURCE`` last."""
