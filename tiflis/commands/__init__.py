"""The commands of `tiflis`, one a file: each adds its arguments to a parser and runs."""
