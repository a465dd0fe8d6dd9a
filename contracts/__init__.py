"""What the services agree on: messages, manifests, states, names and errors. Pure types, no I/O."""
