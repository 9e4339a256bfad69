"""``argoscope import``: run history from the Argo workflow archive into a ledger."""
