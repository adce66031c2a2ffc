//! Uploads and their access, over S3.
fn main() {}
