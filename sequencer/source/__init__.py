"""Reading CSV sources: S3 or local files, decompressed, decoded, and cut into blocks of whole rows."""
