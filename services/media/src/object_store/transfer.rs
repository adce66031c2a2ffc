use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Response};
use rusty_s3::S3Action as _;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{Error, OWN_SIGNATURE_TTL, ObjectStore, TRANSFER_TIMEOUT};

const PIECE_BYTES: usize = 256 * 1024;

/// The bytes of an object, as they come.
pub struct ObjectBody(Response);

impl ObjectBody {
    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// When the store breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.0.chunk().await.map_err(|error| Error::Unreachable(error.without_url()))
    }
}

impl ObjectStore {
    /// The bytes at `key`; `None` when nothing is.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn get(&self, key: &str) -> Result<Option<ObjectBody>, Error> {
        let get = self.own.get_object(Some(&self.credentials), key).sign(OWN_SIGNATURE_TTL);
        let response = self.send("get_object", self.http.get(get).timeout(TRANSFER_TIMEOUT)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(Error::refused("GET object", response).await);
        }
        Ok(Some(ObjectBody(response)))
    }

    /// Puts an object, or replaces what is at `key`.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn put_bytes(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.put(key, content_type, bytes.into(), size_bytes).await
    }

    /// The same for a file of this size, in constant memory.
    ///
    /// # Errors
    /// As [`Self::put_bytes`].
    pub async fn put_file(&self, key: &str, content_type: &str, file: File, size_bytes: u64) -> Result<(), Error> {
        let pieces = ReaderStream::with_capacity(file, PIECE_BYTES);
        self.put(key, content_type, Body::wrap_stream(pieces), size_bytes).await
    }

    async fn put(&self, key: &str, content_type: &str, body: Body, size_bytes: u64) -> Result<(), Error> {
        let put = self.own.put_object(Some(&self.credentials), key).sign(OWN_SIGNATURE_TTL);
        let request = self
            .http
            .put(put)
            .timeout(transfer_timeout(size_bytes))
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, size_bytes)
            .body(body);
        let response = self.send("put_object", request).await?;
        if response.status().is_success() { Ok(()) } else { Err(Error::refused("PUT object", response).await) }
    }
}

/// At least 1 MiB a second.
pub(super) fn transfer_timeout(size_bytes: u64) -> Duration {
    Duration::from_secs(30 + size_bytes / (1024 * 1024)).min(TRANSFER_TIMEOUT)
}
