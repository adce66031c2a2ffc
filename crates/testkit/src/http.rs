use std::time::Duration;

/// Long enough for a call that a server is slow to answer, short enough that a test ends.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client for tests: no proxy of the environment, a bounded time for each call, and no root certificates, since
/// nothing here is asked by TLS. To read those of the system takes longer than most calls.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn http_client() -> reqwest::Client {
    // Fails when a test has installed it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty::<reqwest::Certificate>())
        .timeout(TIMEOUT)
        .build()
        .expect("an HTTP client with plain settings can be made")
}
