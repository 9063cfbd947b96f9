"""Key checks and their rate limits."""
