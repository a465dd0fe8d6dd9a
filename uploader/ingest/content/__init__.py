"""From bytes to rows: transcoding, header detection and row scanning."""
