"""What Argo's own controllers would say of the simulated cluster, under their names.

``workflow_controller`` has the names of Argo Workflows 3.6 to 4.1, ``rollouts_controller`` those of
Argo Rollouts 1.5 to 1.10; labels, types and buckets are theirs too. Values come of what the engine
does: objects as they change, and how long its controllers really took for each look. What a
simulation has none of (requests that take time, a log) stays at 0.
"""
