"""The sequencing pipeline: a CSV of any size into one Kafka partition, in order, exactly once, resumable."""
