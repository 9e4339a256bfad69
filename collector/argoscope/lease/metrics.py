"""What the daemon says about its lease, where it has one."""

from argoscope.metrics.model import Instrument, Metric, Stability

HELD = Metric(
    name="argoscope.lease.held",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(),
    help="1 while the lease is held and renewed; 0 while the daemon waits for another one to let"
    " it go, and while it can't be renewed, so that counters stand still or have no watermark",
    stability=Stability.STABLE,
)
WATERMARK = Metric(
    name="argoscope.watermark_timestamp",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(),
    help="Unix time up to which everything has been seen and published, by the lease: the earliest"
    " of all kinds",
    stability=Stability.STABLE,
)

METRICS = (HELD, WATERMARK)
