"""A registry of as many exposed series as wished, in the mix of the catalogue: mostly buckets."""

from dataclasses import dataclass
from random import Random

from argoscope.metrics.model import Instrument, Label, Metric
from argoscope.metrics.registry import Registry

NAMESPACE = Label(name="namespace", help="Namespace", open=True)
PIPELINE = Label(name="pipeline", help="Pipeline", open=True)
PHASE = Label(name="phase", help="Phase")
PHASES = ("Succeeded", "Failed", "Error", "Running")
BUCKETS = tuple(float(2**power) for power in range(16))
LINES = len(BUCKETS) + 3  # of a histogram: +Inf, sum and count too
CHANGED = 0.01

RUNS = Metric(
    name="argo.workflow.runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE, PHASE),
    help="Runs that ended",
    budget=1_000_000,
)
DURATION = Metric(
    name="argo.workflow.run.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE, PHASE),
    help="How long runs took",
    buckets=BUCKETS,
    budget=1_000_000,
)

Labels = tuple[str, str, str]


def label_sets(count: int) -> list[Labels]:
    return [
        (f"team-{number % 40}", f"pipeline-{number // 4}", PHASES[number % 4])
        for number in range(count)
    ]


@dataclass
class Load:
    """The same series for both sides: a quarter counters, three quarters lines of histograms."""

    counters: list[Labels]
    histograms: list[Labels]
    random: Random

    def fill(self, registry: Registry, *, exemplar: str = "run-x7k2p") -> None:
        """Create, or change, all of them."""
        for labels in self.counters:
            registry.count(RUNS, labels, self.random.randrange(1, 1000), exemplar=exemplar)
        for labels in self.histograms:
            seconds = self.random.uniform(1, 9000)
            registry.observe(DURATION, labels, seconds, exemplar=exemplar)
        registry.publish()

    def change(self, registry: Registry) -> None:
        """One in a hundred of the series changes, anywhere."""
        for labels in self.random.sample(self.counters, int(len(self.counters) * CHANGED)):
            registry.count(RUNS, labels, exemplar="run-x7k2p")
        for labels in self.random.sample(self.histograms, int(len(self.histograms) * CHANGED)):
            seconds = self.random.uniform(1, 9000)
            registry.observe(DURATION, labels, seconds, exemplar="run-x7k2p")
        registry.publish()


def mixed(lines: int) -> Load:
    counters = lines // 4
    return Load(label_sets(counters), label_sets((lines - counters) // LINES), Random(1))


def only_counters(lines: int) -> Load:
    return Load(label_sets(lines), [], Random(1))


def registry() -> Registry:
    return Registry([RUNS, DURATION])
