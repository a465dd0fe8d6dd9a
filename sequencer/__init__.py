"""The ordered lane: a CSV of any size into one Kafka partition, in order, exactly once, resumable."""
