"""The wire protocol: pure rules without I/O, clock or randomness."""
