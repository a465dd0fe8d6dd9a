"""Publishing chunk messages to Kafka."""
