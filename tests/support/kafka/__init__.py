"""Real Kafka brokers for tests, alone, as a cluster, with security, or over an unreliable line."""
