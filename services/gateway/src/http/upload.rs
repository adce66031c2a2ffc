//! `POST /media/upload`: a file as `multipart/form-data`, for clients that cannot put it to the object store. It is
//! passed on a part at a time: what a client sends faster than the store takes it waits in the client. A `Content-Digest`
//! (RFC 9530) is of the whole body, as everywhere in HTTP; media compares the object with what came through here.

use std::collections::HashMap;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{self, Data, Payload, Query, ServiceConfig};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use godwit_contract::media::v1::{BeginStreamRequest, FinishStreamResponse, MediaKind};
use godwit_kernel::limits::MEDIA_BYTES;
use godwit_rpc::Caller;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Success;
use super::content::Content;
use super::{Answer, Problem};
use crate::Error;
use crate::clients::{FileStream, Passed};
use crate::edge::{Edge, bearer};
use crate::limits::{Class, Quota};

/// Files that are passed on at once: each takes memory for three parts.
pub const FILES_MAX: usize = 8;
/// Of those, how many of one person.
pub const FILES_OF_ONE_MAX: usize = 2;
/// What media takes at once.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Of a body besides the file: boundaries and headers.
const FORM_BYTES: u64 = 64 * 1024;
/// A client that sends nothing for so long is gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Of one part: who sends less than 32 KiB a second keeps others from sending.
const PART_TIMEOUT: Duration = Duration::from_secs(256);
/// A file of 2 GiB takes as long at 5 Mbit/s.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// When to come again while too many files are passed on.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// The path.
pub fn configure(app: &mut ServiceConfig) {
    let resource = web::resource("/media/upload").route(web::post().to(upload));
    app.service(resource.default_service(web::to(not_posted)));
}

async fn not_posted(edge: Data<Edge>) -> Answer {
    let outcome = Err(Problem::method_not_allowed("POST".to_owned()));
    Answer { request_id: edge.request_id(), outcome, quota: None }
}

async fn upload(request: HttpRequest, payload: Payload, edge: Data<Edge>) -> Answer {
    let request_id = edge.request_id();
    let mut quota = None;
    let outcome = match admit(&edge, &request, &mut quota).await {
        Ok(caller) => receive(&edge, &request, payload, caller).await,
        Err(error) => Err(error.into()),
    };
    let status = outcome.as_ref().map_or_else(Problem::status, |success| success.status);
    metrics::counter!(
        "gateway_http_requests_total",
        "method" => "POST", "route" => "/media/upload", "status" => status.as_str().to_owned()
    )
    .increment(1);
    Answer { request_id, outcome, quota }
}

async fn admit(edge: &Edge, request: &HttpRequest, counted: &mut Option<Quota>) -> Result<Caller, Error> {
    let token = bearer(request.headers()).ok_or(Error::TokenMissing)?;
    let caller = edge.authenticator.authenticate(token).await?.caller;
    let quota = counted.insert(edge.limiter.take_for_caller(Class::Media, &caller).await);
    match quota.retry_after {
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
        None => Ok(caller),
    }
}

async fn receive(
    edge: &Data<Edge>,
    request: &HttpRequest,
    payload: Payload,
    caller: Caller,
) -> Result<Success, Problem> {
    let Some(_place) = edge.files.enter(caller.user_id) else {
        return Err(Error::Busy { retry_after: BUSY_PAUSE }.into());
    };
    let body_bytes = body_length(request)?;
    let kind = kind_of(request)?;
    let content = Content::new(request.headers(), payload)?;
    let mut form = Multipart::new(request.headers(), content.clone());
    let field = timeout(IDLE_TIMEOUT, form.next()).await.map_err(|_| Problem::body_timeout())?;
    let mut file = field.ok_or_else(no_file)?.map_err(broken)?;
    let disposition = file.content_disposition().ok_or_else(no_file)?;
    let file_name = disposition.get_filename().ok_or_else(no_file)?.to_owned();
    let content_type = file.content_type().map_or("application/octet-stream", |mime| mime.as_ref()).to_owned();
    let max_bytes = body_bytes.min(MEDIA_BYTES);
    let begin = BeginStreamRequest { user_id: String::new(), file_name, content_type, kind: kind.into(), max_bytes };
    let mut passing = Passing::new(edge, edge.services.begin_file(caller.user_id, begin).await?);
    let passing_on = timeout(WHOLE_TIMEOUT, pass_on(&mut file, &passing.stream));
    let passed = passing_on.await.map_err(|_| Problem::body_timeout())??;
    // The form goes on only when nobody holds its last field.
    drop(file);
    // What comes after the file is not taken, but the end of the form must be there: else the file may be cut.
    match timeout(IDLE_TIMEOUT, form.next()).await {
        Ok(None) => {}
        Ok(Some(_)) => return Err(Problem::malformed_form("The form must have one file and nothing after it.")),
        Err(_) => return Err(Problem::body_timeout()),
    }
    drop(form);
    check(content).await?;
    let media = passing.stream.finish(passed).await?;
    passing.is_finished = true;
    let json = serde_json::to_vec(&FinishStreamResponse { media: Some(media) }).map_err(|_| no_file())?;
    Ok(Success { status: StatusCode::CREATED, json })
}

/// Reads what is behind the form, which belongs to the content, and compares all of it with its checksum, if it has one.
async fn check(mut content: Content) -> Result<(), Problem> {
    if !content.has_checksum() {
        return Ok(());
    }
    let mut left = FORM_BYTES;
    while let Some(chunk) = timeout(IDLE_TIMEOUT, content.next()).await.map_err(|_| Problem::body_timeout())? {
        let length = chunk.map_err(|_| Problem::body_broken())?.len();
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        left = left.checked_sub(length).ok_or_else(|| Problem::malformed_form("There is too much behind the form."))?;
    }
    content.verify()
}

/// Passes the bytes of a file on in parts.
async fn pass_on(file: &mut Field, to: &FileStream) -> Result<Passed, Problem> {
    let (mut waiting, mut etags, mut size_bytes) = (BytesMut::new(), Vec::new(), 0_u64);
    let mut hash = Sha256::new();
    let mut part_due = Instant::now() + PART_TIMEOUT;
    loop {
        let due = part_due.min(Instant::now() + IDLE_TIMEOUT);
        let Some(chunk) = timeout_at(due, file.next()).await.map_err(|_| Problem::body_timeout())? else { break };
        let chunk: Bytes = chunk.map_err(broken)?;
        size_bytes = size_bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if size_bytes > MEDIA_BYTES {
            return Err(Problem::file_too_large());
        }
        hash.update(&chunk);
        waiting.extend_from_slice(&chunk);
        if waiting.len() >= PART_BYTES {
            let part = waiting.split_to(PART_BYTES).freeze();
            etags.push(to.put(next_number(&etags), part).await?);
            part_due = Instant::now() + PART_TIMEOUT;
        }
    }
    if !waiting.is_empty() {
        etags.push(to.put(next_number(&etags), waiting.freeze()).await?);
    }
    Ok(Passed { size_bytes, sha256: hash.finalize().into(), part_etags: etags })
}

fn next_number(etags: &[String]) -> u32 {
    u32::try_from(etags.len()).unwrap_or(u32::MAX - 1) + 1
}

/// How long the body is said to be: room for so much is taken from the caller's quota at once.
fn body_length(request: &HttpRequest) -> Result<u64, Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(Problem::length_required)?;
    if length > MEDIA_BYTES + FORM_BYTES { Err(Problem::file_too_large()) } else { Ok(length) }
}

/// `?kind=voice`; by the file's type when it is not given.
fn kind_of(request: &HttpRequest) -> Result<MediaKind, Problem> {
    let malformed = || Problem::malformed_form("There is no such kind of file.");
    let query = Query::<HashMap<String, String>>::from_query(request.query_string()).map_err(|_| malformed())?;
    let Some(kind) = query.get("kind") else { return Ok(MediaKind::Unspecified) };
    let name = format!("MEDIA_KIND_{}", kind.to_ascii_uppercase());
    MediaKind::from_str_name(&name).or_else(|| MediaKind::from_str_name(kind)).ok_or_else(malformed)
}

fn no_file() -> Problem {
    Problem::malformed_form("The body must be multipart/form-data and begin with a file.")
}

fn broken(error: MultipartError) -> Problem {
    tracing::debug!(%error, "an upload broke off");
    Problem::body_broken()
}

/// A file that is passed on. One that is not finished is removed, also when nobody waits for the answer any more.
struct Passing {
    edge: Data<Edge>,
    stream: FileStream,
    is_finished: bool,
}

impl Passing {
    fn new(edge: &Data<Edge>, stream: FileStream) -> Self {
        Self { edge: edge.clone(), stream, is_finished: false }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let stream = self.stream.clone();
        self.edge.tasks.spawn("gateway.abort_upload", |_| async move {
            if let Err(status) = stream.abort().await {
                // Media gives it up by itself when its time is over.
                tracing::debug!(code = %status.code(), "an upload is removed later");
            }
            Ok(())
        });
    }
}
