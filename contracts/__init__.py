"""The contracts between the services: API, messages, manifests, records, states, names and errors. No I/O."""
