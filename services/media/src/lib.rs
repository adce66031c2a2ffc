//! Uploads and their access, over S3.
