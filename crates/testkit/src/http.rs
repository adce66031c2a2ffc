use std::time::Duration;

/// Long enough for a call that a server is slow to answer, short enough that a test ends.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client for tests: no proxy of the environment, a bounded time for each call.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn http_client() -> reqwest::Client {
    // Fails when a test has installed it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .expect("an HTTP client with plain settings can be made")
}
