//! Uploads in parts: what is larger than one request should be, or comes while its size is not known yet.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use reqwest::Response;
use rusty_s3::S3Action as _;
use url::Url;

use super::error::error_code;
use super::retry::is_put_off;
use super::transfer::transfer_timeout;
use super::{Error, OWN_SIGNATURE_TTL, ObjectStore, TRANSFER_TIMEOUT};

/// The longest answer that is read: a list of 1,000 parts takes 300 KiB.
const ANSWER_BYTES: usize = 1024 * 1024;
/// The most that S3 answers at once; an upload has no more than 256.
const PARTS_A_PAGE: u16 = 1_000;

/// What a store says when the upload is over or has not the parts that it is to be made of.
const NO_SUCH_PARTS: &[&str] = &["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"];
/// What s3s says of an upload that is over, and every other store to credentials that may not complete one.
const ACCESS_DENIED: &str = "AccessDenied";

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1 on.
    pub number: u16,
    /// Its size.
    pub size_bytes: u64,
    /// What the upload is completed with; empty when the store does not tell.
    pub etag: String,
}

impl ObjectStore {
    /// Begins an upload in parts and returns its id.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn create_multipart(&self, key: &str, content_type: &str) -> Result<String, Error> {
        let mut create = self.own.create_multipart_upload(Some(&self.credentials), key);
        create.headers_mut().insert(CONTENT_TYPE.as_str(), content_type.to_owned());
        let request =
            self.http.post(create.sign(OWN_SIGNATURE_TTL)).header(CONTENT_TYPE, content_type).header(CONTENT_LENGTH, 0);
        // Done twice, it would begin two.
        let response = self.send_while(is_put_off, "create_multipart", request).await?;
        if !response.status().is_success() {
            return Err(Error::refused("POST uploads", response).await);
        }
        let answer = text_of(response).await?;
        let upload_id = element(&answer, "UploadId").filter(|upload_id| !upload_id.is_empty());
        upload_id.map(str::to_owned).ok_or(Error::Malformed("POST uploads"))
    }

    /// An address that takes one part of exactly this size. Sends nothing.
    pub fn presign_part(&self, key: &str, upload_id: &str, number: u16, size_bytes: u64, ttl: Duration) -> Url {
        let mut part = self.public.upload_part(Some(&self.credentials), key, number, upload_id);
        part.headers_mut().insert(CONTENT_LENGTH.as_str(), size_bytes.to_string());
        part.sign(ttl)
    }

    /// Puts one part and returns its ETag. Again for the same number: replaces it.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn upload_part(&self, key: &str, upload_id: &str, number: u16, bytes: Bytes) -> Result<String, Error> {
        let part = self.own.upload_part(Some(&self.credentials), key, number, upload_id).sign(OWN_SIGNATURE_TTL);
        let length = bytes.len();
        let limit = transfer_timeout(u64::try_from(length).unwrap_or(u64::MAX));
        let request = self.http.put(part).timeout(limit).header(CONTENT_LENGTH, length).body(bytes);
        let response = self.send("upload_part", request).await?;
        if !response.status().is_success() {
            return Err(Error::refused("PUT part", response).await);
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.map(str::to_owned).ok_or(Error::Malformed("PUT part"))
    }

    /// Makes the object of its parts, whose ETags are given in their order. False when the store has no such upload or
    /// not these parts.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn complete_multipart(&self, key: &str, upload_id: &str, etags: &[String]) -> Result<bool, Error> {
        let mut retries = self.retries.request();
        loop {
            let (status, answer) = self.ask_to_complete(key, upload_id, etags).await?;
            // A store that takes long answers 200 before it knows, and tells in the body how it ended.
            let failed_late = status.is_success() && is_error(&answer);
            if status.is_success() && !failed_late {
                return Ok(true);
            }
            let code = error_code(&answer).to_owned();
            if NO_SUCH_PARTS.contains(&code.as_str()) {
                return Ok(false);
            }
            if code == ACCESS_DENIED && self.list_parts(key, upload_id).await?.is_empty() {
                return Ok(false);
            }
            if failed_late && retries.wait(None).await {
                continue;
            }
            // A body that tells of an error under 200 is of the store's own trouble.
            let status = if failed_late { StatusCode::INTERNAL_SERVER_ERROR } else { status };
            return Err(Error::Refused { request: "POST upload", status, code });
        }
    }

    async fn ask_to_complete(
        &self,
        key: &str,
        upload_id: &str,
        etags: &[String],
    ) -> Result<(StatusCode, String), Error> {
        let etags = etags.iter().map(String::as_str);
        let complete = self.own.complete_multipart_upload(Some(&self.credentials), key, upload_id, etags);
        let url = complete.sign(OWN_SIGNATURE_TTL);
        let body = complete.body();
        let request = self.http.post(url).timeout(TRANSFER_TIMEOUT).header(CONTENT_LENGTH, body.len()).body(body);
        let response = self.send("complete_multipart", request).await?;
        Ok((response.status(), text_of(response).await?))
    }

    /// Gives an upload up: its parts are removed. Also when there is none.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), Error> {
        let abort = self.own.abort_multipart_upload(Some(&self.credentials), key, upload_id).sign(OWN_SIGNATURE_TTL);
        let response = self.send("abort_multipart", self.http.delete(abort)).await?;
        // Some stores answer 403 for an upload that is over.
        if response.status().is_success() || matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)
        {
            return Ok(());
        }
        Err(Error::refused("DELETE upload", response).await)
    }

    /// The ids of the uploads that were begun for exactly this key and are not over, at most 1,000. None when the store
    /// cannot list them (s3s) or the credentials may not (`s3:ListBucketMultipartUploads`).
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn list_multiparts(&self, key: &str) -> Result<Vec<String>, Error> {
        // The address of a bucket is that of an object without a name. MinIO lists by whole keys only.
        let mut list = self.own.get_object(Some(&self.credentials), "");
        list.query_mut().insert("uploads", "");
        list.query_mut().insert("prefix", key);
        let response = self.send("list_multiparts", self.http.get(list.sign(OWN_SIGNATURE_TTL))).await?;
        match response.status() {
            status if status.is_success() => Ok(read_uploads(&text_of(response).await?, key)),
            StatusCode::NOT_IMPLEMENTED => Ok(Vec::new()),
            StatusCode::FORBIDDEN => {
                tracing::warn!(
                    "the object store does not let uploads be listed: what was begun and not noted stays there"
                );
                Ok(Vec::new())
            }
            _ => Err(Error::refused("GET uploads", response).await),
        }
    }

    /// The parts that the store has, in their order, at most 1,000; none of an upload that is over.
    ///
    /// # Errors
    /// When the store does not answer, or not as it should.
    pub async fn list_parts(&self, key: &str, upload_id: &str) -> Result<Vec<Part>, Error> {
        let mut list = self.own.list_parts(Some(&self.credentials), key, upload_id);
        list.set_max_parts(PARTS_A_PAGE);
        let response = self.send("list_parts", self.http.get(list.sign(OWN_SIGNATURE_TTL))).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !response.status().is_success() {
            return Err(Error::refused("GET upload", response).await);
        }
        let mut parts = read_parts(&text_of(response).await?).ok_or(Error::Malformed("GET upload"))?;
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }
}

/// Whether a document is an S3 error; some stores name a namespace in it.
fn is_error(document: &str) -> bool {
    document.contains("<Error>") || document.contains("<Error ")
}

/// The `<Part>`s of a list. Not read by rusty-s3: s3s leaves the ETags out, which it takes for malformed.
fn read_parts(document: &str) -> Option<Vec<Part>> {
    let parts = document.split("<Part>").skip(1).map(|part| {
        let part = part.split("</Part>").next()?;
        Some(Part {
            number: element(part, "PartNumber")?.parse().ok()?,
            size_bytes: element(part, "Size")?.parse().ok()?,
            etag: element(part, "ETag").unwrap_or_default().replace("&quot;", "\"").replace("&#34;", "\""),
        })
    });
    parts.collect()
}

/// The ids of the `<Upload>`s of this key in a list.
fn read_uploads(document: &str, key: &str) -> Vec<String> {
    let uploads = document.split("<Upload>").skip(1).filter_map(|upload| upload.split("</Upload>").next());
    let of_key = uploads.filter(|upload| element(upload, "Key") == Some(key));
    of_key.filter_map(|upload| element(upload, "UploadId")).map(str::to_owned).collect()
}

fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

async fn text_of(mut response: Response) -> Result<String, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::Unreachable(error.without_url()))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(Error::Malformed("answer"));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Error::Malformed("answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_of_uploads_those_of_the_key_are_read() {
        let list = "<ListMultipartUploadsResult><Prefix>ab/key</Prefix>\
            <Upload><Key>ab/key</Key><UploadId>one</UploadId><Initiator><ID>x</ID></Initiator></Upload>\
            <Upload><Key>ab/key.clean</Key><UploadId>of another</UploadId></Upload>\
            <Upload><Key>ab/key</Key><UploadId>two</UploadId></Upload></ListMultipartUploadsResult>";
        assert_eq!(read_uploads(list, "ab/key"), ["one", "two"]);
        assert_eq!(read_uploads("<ListMultipartUploadsResult/>", "ab/key"), Vec::<String>::new());
    }

    #[test]
    fn a_list_of_parts_is_read_with_and_without_etags() {
        let list = "<ListPartsResult><UploadId>u</UploadId>\
            <Part><PartNumber>2</PartNumber><Size>5</Size></Part>\
            <Part><PartNumber>1</PartNumber><LastModified>x</LastModified><ETag>&quot;ab&quot;</ETag><Size>7</Size></Part>\
            </ListPartsResult>";
        let expected = [
            Part { number: 2, size_bytes: 5, etag: String::new() },
            Part { number: 1, size_bytes: 7, etag: "\"ab\"".to_owned() },
        ];
        assert_eq!(read_parts(list).unwrap(), expected);
        assert_eq!(read_parts("<ListPartsResult></ListPartsResult>"), Some(Vec::new()));
        assert_eq!(read_parts("<Part><PartNumber>x</PartNumber><Size>5</Size></Part>"), None);
    }
}
