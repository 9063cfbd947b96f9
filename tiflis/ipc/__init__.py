"""What the main process and its workers share on one host."""
