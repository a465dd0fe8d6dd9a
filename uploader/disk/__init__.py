"""The replica's directory: chunk files, staging of incoming uploads, manifest files and locks."""
