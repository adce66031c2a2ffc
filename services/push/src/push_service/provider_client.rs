use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, RequestBuilder};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that does not answer a ping is given up, so that what is sent next goes over a new one.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer; those of Apple and Google are much shorter.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;

/// How a provider is reached.
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// Its address: https.
    pub url: String,
    /// An authority that is trusted besides the public ones, as PEM.
    pub root_ca: Option<PathBuf>,
    /// Of a request, from its begin to the end of the answer.
    pub timeout: Duration,
}

/// An HTTP/2 client of one provider: one connection, which is kept.
pub struct ProviderClient {
    http: reqwest::Client,
    base: Url,
}

/// What a provider answered.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
}

impl ProviderClient {
    /// A client of the provider at the address.
    ///
    /// # Errors
    /// When the address is not https, or the authority cannot be read.
    pub fn new(options: &ProviderOptions) -> anyhow::Result<Self> {
        let base = Url::parse(&options.url).with_context(|| format!("{} is not an address", options.url))?;
        anyhow::ensure!(base.scheme() == "https", "{} is not an https address", options.url);
        let mut builder = reqwest::Client::builder()
            .http2_prior_knowledge()
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .pool_idle_timeout(None)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .timeout(options.timeout)
            .user_agent("godwit-push");
        if let Some(path) = &options.root_ca {
            let pem = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let authority = Certificate::from_pem(&pem).with_context(|| format!("{} is no PEM", path.display()))?;
            builder = builder.tls_certs_merge([authority]);
        }
        Ok(Self { http: builder.build()?, base })
    }

    /// A request to a path of the provider.
    pub fn post(&self, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        self.http.post(url)
    }

    /// A request to another address of the provider, such as where it gives tokens.
    pub fn post_to(&self, url: &Url) -> RequestBuilder {
        self.http.post(url.clone())
    }
}

/// Sends a request and reads the answer.
///
/// # Errors
/// When there is none in time.
pub async fn ask(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut body = BytesMut::new();
    while body.len() < ANSWER_BYTES_MAX {
        let Some(chunk) = answer.chunk().await? else { break };
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    Ok(Answer { status, headers, body: body.freeze() })
}
