"""The services behind the simulated Azure: each module knows how one is configured, started and recognised as healthy."""
