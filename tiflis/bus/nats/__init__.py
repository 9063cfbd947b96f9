"""Our NATS client: connection, servers and JetStream requests."""
