//! Where the real servers are. Each look-up panics with the variable's name when it is not set.

use std::path::PathBuf;

/// PostgreSQL, as superuser.
pub fn database_url() -> String {
    required("GODWIT_TEST_DATABASE_URL")
}

/// Redis.
pub fn redis_url() -> String {
    required("GODWIT_TEST_REDIS_URL")
}

/// Kafka's bootstrap servers.
pub fn kafka() -> String {
    required("GODWIT_TEST_KAFKA")
}

/// An S3 server and a key that may do everything there.
#[derive(Clone, Debug)]
pub struct S3 {
    /// Its address, as `http://host:port`.
    pub url: String,
    /// The access key id.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
}

/// The S3 server.
pub fn s3() -> S3 {
    S3 {
        url: required("GODWIT_TEST_S3_URL"),
        access_key: required("GODWIT_TEST_S3_ACCESS_KEY"),
        secret_key: required("GODWIT_TEST_S3_SECRET_KEY"),
    }
}

/// The mail server, as `host:port`.
pub fn smtp() -> String {
    required("GODWIT_TEST_SMTP")
}

/// The folder in which the mail server leaves what it receives.
pub fn smtp_dir() -> PathBuf {
    required("GODWIT_TEST_SMTP_DIR").into()
}

/// A Python with the packages of `scripts/requirements-test.txt`, for independent implementations of what is tested.
pub fn python() -> PathBuf {
    required("GODWIT_TEST_PYTHON").into()
}

#[expect(clippy::panic, reason = "a test without its server fails; it is never skipped")]
fn required(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run the tests by `make test`, or `eval \"$(scripts/stack env)\"` first"),
    }
}
