"""What the daemon's metrics have to be, counted from the simulator's truth and nothing else."""

from support.recount.crons import Crons
from support.recount.lines import Labels, Line, Lines, Samples
from support.recount.pods import Pods
from support.recount.waits import Waits
from support.recount.workflows import Workflows

__all__ = ["Crons", "Labels", "Line", "Lines", "Pods", "Samples", "Waits", "Workflows"]
