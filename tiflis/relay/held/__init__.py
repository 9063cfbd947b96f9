"""Messages that wait for a workstation that is away."""
