//! The only S3 client of Godwit: path-style addresses, AWS Signature Version 4, nothing that AWS, Ceph, MinIO or s3s
//! do not share. Requests are built and signed by `rusty-s3` and sent by `reqwest`.

mod error;
mod multipart;
mod retry;
mod transfer;

pub use error::{Error, OpenError};
pub use multipart::Part;
pub use transfer::ObjectBody;

use std::time::{Duration, Instant};

use godwit_runtime::Secret;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use self::retry::{Budget, is_passing, retry_after};

/// How long a signature on one of this process's own requests is good.
pub const OWN_SIGNATURE_TTL: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of a whole request that carries no object.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a request that carries an object, or has the store put one together.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How to reach and use an object store.
#[derive(Clone)]
pub struct Access {
    /// As this process reaches it.
    pub url: Url,
    /// As clients reach it; `url` when absent.
    pub public_url: Option<Url>,
    /// The bucket that holds every object.
    pub bucket: String,
    /// The region that signatures name.
    pub region: String,
    /// The access key.
    pub access_key: Option<Secret>,
    /// The secret key.
    pub secret_key: Option<Secret>,
}

/// A bucket of an S3 object store.
pub struct ObjectStore {
    http: reqwest::Client,
    own: Bucket,
    public: Bucket,
    credentials: Credentials,
    retries: Budget,
}

/// An address to PUT one object to, with the headers that the signature covers.
pub struct PresignedPut {
    /// Where to.
    pub url: Url,
    /// Must be sent as they are.
    pub headers: Vec<(&'static str, String)>,
}

/// What the store knows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its size.
    pub size_bytes: u64,
    /// As it was put.
    pub content_type: Option<String>,
}

impl ObjectStore {
    /// A client of the bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// When the access is incomplete or cannot be used.
    pub fn open(access: Access) -> Result<Self, OpenError> {
        let access_key = access.access_key.ok_or(OpenError::Missing("the access key"))?;
        let secret_key = access.secret_key.ok_or(OpenError::Missing("the secret key"))?;
        let public_url = access.public_url.unwrap_or_else(|| access.url.clone());
        let (name, region) = (access.bucket, access.region);
        let bucket = |url| Bucket::new(url, UrlStyle::Path, name.clone(), region.clone());
        Ok(Self {
            http: reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(REQUEST_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                // A signature names its host, so a redirected request is refused wherever it goes.
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(OpenError::Http)?,
            own: bucket(access.url).map_err(OpenError::Url)?,
            public: bucket(public_url).map_err(OpenError::Url)?,
            credentials: Credentials::new(access_key.expose(), secret_key.expose()),
            retries: Budget::new(),
        })
    }

    /// Makes sure that the bucket is there.
    ///
    /// # Errors
    /// When it is not and cannot be created, or the store does not answer.
    pub async fn ensure_bucket(&self) -> Result<(), Error> {
        let head = self.own.head_bucket(Some(&self.credentials)).sign(OWN_SIGNATURE_TTL);
        let response = self.send("head_bucket", self.http.head(head)).await?;
        if response.status().is_success() {
            return Ok(());
        }
        // 404 says that it is absent. 403 may only say that the key must not look: creating it tells more.
        if !matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) {
            return Err(Error::refused("HEAD bucket", response).await);
        }
        let create = self.own.create_bucket(&self.credentials);
        let body = create.body();
        let request = self
            .http
            .put(create.sign(OWN_SIGNATURE_TTL))
            // reqwest leaves it out when the body is empty, and AWS then answers 411.
            .header(CONTENT_LENGTH, body.len())
            .body(body);
        let response = self.send("create_bucket", request).await?;
        // 409: somebody was faster.
        if response.status().is_success() || response.status() == StatusCode::CONFLICT {
            return Ok(());
        }
        Err(Error::refused("PUT bucket", response).await)
    }

    /// Whether the store answers and the bucket is there.
    ///
    /// # Errors
    /// When it does not, or the bucket is not.
    pub async fn check(&self) -> Result<(), Error> {
        let head = self.own.head_bucket(Some(&self.credentials)).sign(OWN_SIGNATURE_TTL);
        let response = self.send("head_bucket", self.http.head(head)).await?;
        if response.status().is_success() { Ok(()) } else { Err(Error::refused("HEAD bucket", response).await) }
    }

    /// An address that takes exactly one object of this type and size, once. Sends nothing.
    ///
    /// `if-none-match: *` makes the store refuse to replace an object that is already there, so that what was
    /// verified cannot be exchanged while the address is still valid.
    pub fn presign_put(&self, key: &str, content_type: &str, size_bytes: u64, ttl: Duration) -> PresignedPut {
        let headers = vec![
            (CONTENT_TYPE.as_str(), content_type.to_owned()),
            (CONTENT_LENGTH.as_str(), size_bytes.to_string()),
            (http::header::IF_NONE_MATCH.as_str(), "*".to_owned()),
        ];
        let mut put = self.public.put_object(Some(&self.credentials), key);
        for (name, value) in &headers {
            put.headers_mut().insert(*name, value.clone());
        }
        // Signed with the machine's own time, not the Clock: it is the store that compares it with its own.
        PresignedPut { url: put.sign(ttl), headers }
    }

    /// An address that gives the object, as this type, with this `Content-Disposition`: what the store was told of it
    /// when it was put does not count. Sends nothing.
    pub fn presign_get(&self, key: &str, content_type: &str, disposition: &str, ttl: Duration) -> Url {
        let mut get = self.public.get_object(Some(&self.credentials), key);
        get.query_mut().insert("response-content-type", content_type);
        get.query_mut().insert("response-content-disposition", disposition);
        get.sign(ttl)
    }

    /// What is at `key`; `None` when nothing is.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectHead>, Error> {
        let head = self.own.head_object(Some(&self.credentials), key).sign(OWN_SIGNATURE_TTL);
        let response = self.send("head_object", self.http.head(head)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(Error::refused("HEAD object", response).await);
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let size_bytes = text(CONTENT_LENGTH).and_then(|length| length.parse().ok()).ok_or(Error::NoContentLength)?;
        Ok(Some(ObjectHead { size_bytes, content_type: text(CONTENT_TYPE).map(str::to_owned) }))
    }

    /// Removes what is at `key`, if anything is.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = self.own.delete_object(Some(&self.credentials), key).sign(OWN_SIGNATURE_TTL);
        let response = self.send("delete_object", self.http.delete(delete)).await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(Error::refused("DELETE object", response).await)
    }

    /// Sends a request; again, while the store answers that it cannot do it now: what is sent by this may be done twice. A
    /// file that is streamed cannot be sent twice: its job comes again.
    async fn send(&self, operation: &'static str, request: RequestBuilder) -> Result<Response, Error> {
        self.send_while(is_passing, operation, request).await
    }

    async fn send_while(
        &self,
        is_worth_it: fn(StatusCode) -> bool,
        operation: &'static str,
        mut request: RequestBuilder,
    ) -> Result<Response, Error> {
        let mut retries = self.retries.request();
        loop {
            let again = request.try_clone();
            let response = self.send_once(operation, request).await?;
            let Some(next) = again.filter(|_| is_worth_it(response.status())) else { return Ok(response) };
            if !retries.wait(retry_after(response.headers())).await {
                return Ok(response);
            }
            metrics::counter!("godwit_media_object_store_retries_total", "operation" => operation).increment(1);
            request = next;
        }
    }

    async fn send_once(&self, operation: &'static str, request: RequestBuilder) -> Result<Response, Error> {
        let begun_at = Instant::now();
        let result = request.send().await;
        let outcome = match &result {
            // What a store cannot do at all is no failure of it.
            Ok(response) if response.status() == StatusCode::NOT_IMPLEMENTED => "answered",
            Ok(response) if response.status().is_server_error() => "failed",
            Ok(_) => "answered",
            Err(_) => "unreachable",
        };
        metrics::histogram!("godwit_media_object_store_seconds", "operation" => operation, "outcome" => outcome)
            .record(begun_at.elapsed().as_secs_f64());
        // The URL carries a signature: it must not reach a log.
        result.map_err(|error| Error::Unreachable(error.without_url()))
    }
}
