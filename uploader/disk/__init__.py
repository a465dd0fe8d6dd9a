"""The replica's directory: chunk files, the staging of incoming uploads, manifest files and locks."""
