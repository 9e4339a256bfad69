"""Why one run took as long as it did: the ``argoscope explain`` command."""
