"""An Argo-like workflow controller: the same objects in the same order, in virtual time."""
