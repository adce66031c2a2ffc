use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use godwit_kernel::limits::JSON_BODY_BYTES;

use super::Problem;

/// A body that trickles in more slowly holds a request's place for nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The whole body.
pub async fn read(request: &HttpRequest, payload: Payload) -> Result<BytesMut, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > JSON_BODY_BYTES)) {
        return Err(Problem::body_too_large(JSON_BODY_BYTES));
    }
    match tokio::time::timeout(READ_TIMEOUT, collect(payload)).await {
        Ok(body) => body,
        Err(_) => Err(Problem::body_timeout()),
    }
}

async fn collect(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::body_broken())?;
        if body.len() + chunk.len() > JSON_BODY_BYTES {
            return Err(Problem::body_too_large(JSON_BODY_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
