"""One module a command. Each is imported only when it is called, so that ``csvpipe --help`` stays quick."""
