"""The sequencer as a process, and the services that it needs."""
