"""What happens in the simulated cluster: controllers and a kubelet in virtual time."""
