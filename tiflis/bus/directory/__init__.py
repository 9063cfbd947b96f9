"""The directory: which worker is the home of which tunnel."""
