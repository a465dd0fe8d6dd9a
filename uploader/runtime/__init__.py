"""Clock, threads, background tasks and logging: what every part of the process runs on."""
