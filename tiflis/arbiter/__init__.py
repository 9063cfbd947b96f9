"""The main process: it starts, watches and replaces the workers and the embedded NATS server."""
