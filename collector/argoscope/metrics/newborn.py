"""New series are shown at 0 before they grow.

Prometheus takes the first sample that it gets of a series for its beginning: what a counter had
grown to by then, increase() and rate() never see, and of a failure that happens once that is all.
So a series is published at 0 first, and its value is held back until everybody who comes for the
exposition regularly has had that 0. Nothing is lost, only shown one scrape later; a series that
was shown before is never held back, and while nobody scrapes nothing is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from argoscope.metrics.series import Series

FIRST_INTERVAL = 60.0
"""Seconds after which somebody who came once is taken to come again: Prometheus' default."""
LONGEST_INTERVAL = 150.0
"""Seconds; who comes less often is not waited for. Twice this is how long a value can be held."""
_LATE = 5.0  # seconds that a scrape may be late beside twice its interval
_MOST = 64  # scrapers that are waited for; more than one or two are rare


@dataclass(slots=True)
class _Scraper:
    at: float
    interval: float
    """Between its last two scrapes, or the two before: replicas can share an address."""
    before: float
    publication: int
    """The latest one that it was shown."""

    def returns(self, now: float) -> bool:
        return now - self.at <= 2.0 * max(self.interval, self.before) + _LATE


class Newborns:
    """Which series have been shown at 0 to whom. ``now`` gives Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.publication = 0
        """Number of the latest publication."""
        self.held: dict[Series, int] = {}
        """Series that are held back -> publication that showed them at 0, in that order."""
        self._now = now
        self._scrapers: dict[str, _Scraper] = {}

    def scraped(self, who: str, publication: int) -> None:
        """``who`` (an address) was shown that publication, all of it."""
        now = self._now()
        known = self._scrapers.get(who)
        if known is not None and 0.0 <= now - known.at <= LONGEST_INTERVAL:
            known.before, known.interval = known.interval, now - known.at
            known.at, known.publication = now, max(publication, known.publication)
        elif known is not None or len(self._scrapers) < _MOST:
            self._scrapers[who] = _Scraper(now, FIRST_INTERVAL, 0.0, publication)

    def begin_publication(self, *, hold: bool) -> None:
        """Lets go of what everybody has seen; of everything unless ``hold``."""
        self.publication += 1
        now = self._now()
        gone = [who for who, scraper in self._scrapers.items() if not scraper.returns(now)]
        for who in gone:
            del self._scrapers[who]
        if not (hold and self._scrapers):
            self.held.clear()
            return
        seen = min(scraper.publication for scraper in self._scrapers.values())
        passed = takewhile(lambda item: item[1] <= seen, self.held.items())
        for series, _ in list(passed):
            del self.held[series]

    def is_born(self, series: Series, *, hold: bool) -> bool:
        """Whether a series that was never published is to be shown at 0 now, and held back."""
        if not (hold and self._scrapers):
            return False
        self.held[series] = self.publication
        return True
