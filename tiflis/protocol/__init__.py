"""What is said on the wire: pure rules, no I/O, no clock, no chance."""
