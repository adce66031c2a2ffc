//! What AWS, Ceph RGW and MinIO answer and s3s does not: errors of every form, errors under 200, ETags, and answers whose
//! length is not known when they begin.

use bytes::Bytes;
use godwit_kernel::{MediaId, SystemClock, SystemEntropy};
use godwit_media::domain::{Audience, ContentType, Details, FileName, Kind, Media, Rejection, Scan, State};
use godwit_media::object_store::{Error, ObjectStore, Part};
use godwit_media::processing::{self, Processor, Scratch};
use time::{Duration, OffsetDateTime};
use tokio::sync::Semaphore;

use crate::s3_stub::{Reply, S3Stub, chunked, error, reply};
use crate::world::{person, tools};

const KEY: &str = "ab/key";
const XML: (&str, &str) = ("content-type", "application/xml");
const COMPLETED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>godwit-media</Bucket>\
    <Key>ab/key</Key><ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;</ETag></CompleteMultipartUploadResult>";

/// An error document without a request's name, in one line, as MinIO and proxies before it write it.
fn bare_error(code: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
}

fn told(error: &Error) -> (String, bool) {
    (error.to_string(), error.is_unavailable())
}

async fn complete(store: &ObjectStore) -> Result<bool, Error> {
    store.complete_multipart(KEY, "u", &["\"one\"".to_owned()]).await
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_moment_is_asked_again() {
    for busy in [
        error(503, "SlowDown"),
        reply(503, &[("retry-after", "1"), XML], &bare_error("SlowDown")),
        reply(429, &[XML], &bare_error("TooManyRequests")),
        error(500, "InternalError"),
        reply(502, &[], "<html><h1>502 Bad Gateway</h1></html>"),
    ] {
        let s3 = S3Stub::start([busy, reply(200, &[("etag", "\"e\"")], "")]).await;
        let etag = s3.store().upload_part(KEY, "u", 1, Bytes::from_static(b"words")).await.unwrap();
        assert_eq!(etag, "\"e\"");
        let asked = s3.asked();
        assert_eq!(asked.len(), 2);
        // The same again, with its body.
        assert_eq!(asked[0], asked[1]);
        assert_eq!(asked[0].line, "PUT /godwit-media/ab/key?partNumber=1&uploadId=u");
        assert_eq!(asked[0].body, b"words");
    }
}

#[tokio::test]
async fn a_store_that_stays_busy_is_reported_as_unavailable() {
    let s3 = S3Stub::start((0..4).map(|_| error(503, "SlowDown"))).await;
    let failed = s3.store().head(KEY).await.unwrap_err();
    assert_eq!(told(&failed), ("HEAD object: the object store answered 503 Service Unavailable ".to_owned(), true));
    assert_eq!(s3.asked().len(), 3);
    // Who is to come back in two minutes is the caller.
    let patience = reply(503, &[("retry-after", "120")], &bare_error("SlowDown"));
    let s3 = S3Stub::start([patience]).await;
    let failed = s3.store().delete(KEY).await.unwrap_err();
    let expected = "DELETE object: the object store answered 503 Service Unavailable SlowDown";
    assert_eq!(told(&failed), (expected.to_owned(), true));
    assert_eq!(s3.asked().len(), 1);
}

#[tokio::test]
async fn what_is_refused_for_good_is_asked_once_and_named() {
    for (refusal, expected, is_unavailable) in [
        (error(403, "SignatureDoesNotMatch"), "403 Forbidden SignatureDoesNotMatch", false),
        (reply(403, &[XML], &bare_error("InvalidAccessKeyId")), "403 Forbidden InvalidAccessKeyId", false),
        (reply(403, &[], ""), "403 Forbidden ", false),
        (error(404, "NoSuchBucket"), "404 Not Found NoSuchBucket", false),
        (error(301, "PermanentRedirect"), "301 Moved Permanently PermanentRedirect", false),
        (error(501, "NotImplemented"), "501 Not Implemented NotImplemented", true),
        // AWS, for a body that came too slowly: the client's line is to blame and not its request.
        (error(400, "RequestTimeout"), "400 Bad Request RequestTimeout", true),
    ] {
        let s3 = S3Stub::start([refusal]).await;
        let refused = s3.store().put_bytes(KEY, "text/plain", b"words".to_vec()).await.unwrap_err();
        let expected = format!("PUT object: the object store answered {expected}");
        assert_eq!(told(&refused), (expected, is_unavailable));
        assert_eq!(s3.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_is_streamed_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), b"words").unwrap();
    let file = tokio::fs::File::open(dir.path().join("file")).await.unwrap();
    let s3 = S3Stub::start([error(503, "SlowDown")]).await;
    let failed = s3.store().put_file(KEY, "text/plain", file, 5).await.unwrap_err();
    assert!(failed.is_unavailable());
    let asked = s3.asked();
    assert_eq!((asked.len(), asked[0].body.as_slice()), (1, &b"words"[..]));
}

#[tokio::test]
async fn an_error_under_200_is_an_error() {
    let late = || reply(200, &[XML], &format!("\n\n\n{}", bare_error("InternalError")));
    // AWS sends blanks while it works; what it comes to then is no matter of the status.
    let with_blanks = || chunked(200, &[XML], &[" ", "\n ", &COMPLETED[..70], &COMPLETED[70..]]);
    let s3 = S3Stub::start([late(), with_blanks()]).await;
    assert!(complete(&s3.store()).await.unwrap());
    assert_eq!(s3.asked().len(), 2);

    let s3 = S3Stub::start((0..4).map(|_| late())).await;
    let failed = complete(&s3.store()).await.unwrap_err();
    let expected = "POST upload: the object store answered 500 Internal Server Error InternalError";
    assert_eq!(told(&failed), (expected.to_owned(), true));
    assert_eq!(s3.asked().len(), 3);

    let s3 = S3Stub::start([chunked(200, &[XML], &[" ", &bare_error("InvalidPart")])]).await;
    assert!(!complete(&s3.store()).await.unwrap());
    assert_eq!(s3.asked().len(), 1);
}

#[tokio::test]
async fn credentials_that_may_not_complete_an_upload_are_not_taken_for_missing_parts() {
    let denied = || error(403, "AccessDenied");
    let empty = || reply(200, &[XML], "<ListPartsResult><UploadId>u</UploadId></ListPartsResult>");
    for (answers, expected) in [
        ([denied(), one_part()], "POST upload: the object store answered 403 Forbidden AccessDenied"),
        ([denied(), denied()], "GET upload: the object store answered 403 Forbidden AccessDenied"),
    ] {
        let s3 = S3Stub::start(answers).await;
        let refused = complete(&s3.store()).await.unwrap_err();
        assert_eq!(told(&refused), (expected.to_owned(), false));
    }
    // s3s, of an upload that is over.
    for over in [empty(), error(404, "NoSuchUpload")] {
        let s3 = S3Stub::start([denied(), over]).await;
        assert!(!complete(&s3.store()).await.unwrap());
    }
    // The parts stay, so that it works once the credentials may.
    let (result, methods) = assembled(vec![reply(404, &[], ""), one_part(), denied(), one_part()]).await;
    assert!(matches!(result, Err(processing::Error::ObjectStore(_))), "{result:?}");
    assert_eq!(methods, ["HEAD", "GET", "POST", "GET"]);
}

#[tokio::test]
async fn an_answer_that_is_cut_is_taken_for_an_outage() {
    let Reply::Bytes(mut bytes) = chunked(200, &[XML], &[" ", COMPLETED]) else { panic!("it is answered") };
    bytes.truncate(bytes.len() - 40);
    let s3 = S3Stub::start([Reply::Bytes(bytes)]).await;
    assert!(complete(&s3.store()).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn etags_go_back_as_they_came_with_quotes_and_without() {
    let etags = ["\"d41d8cd98f00b204e9800998ecf8427e\"", "d41d8cd98f00b204e9800998ecf8427e", "W/\"weak\""];
    let answers = etags.map(|etag| reply(200, &[("ETag", etag)], ""));
    let s3 = S3Stub::start(answers.into_iter().chain([reply(200, &[XML], COMPLETED)])).await;
    let store = s3.store();
    let mut came = Vec::new();
    for number in 1..=3 {
        came.push(store.upload_part(KEY, "u", number, Bytes::from_static(b"x")).await.unwrap());
    }
    assert_eq!(came, etags);
    assert!(store.complete_multipart(KEY, "u", &came).await.unwrap());
    let body = String::from_utf8(s3.asked()[3].body.clone()).unwrap().replace("&quot;", "\"");
    for etag in etags {
        assert!(body.contains(&format!("<ETag>{etag}</ETag>")), "{body}");
    }
    let s3 = S3Stub::start([reply(200, &[], "")]).await;
    let no_etag = s3.store().upload_part(KEY, "u", 1, Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(no_etag, Error::Malformed("PUT part")));
}

#[tokio::test]
async fn lists_and_objects_come_in_pieces() {
    let part = |number: u16, etag: &str| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>2026-11-10T20:48:34.000Z</LastModified>\
             <ETag>{etag}</ETag><Size>5</Size></Part>"
        )
    };
    let list = format!(
        "<ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>x</ID></Owner>{}{}{}</ListPartsResult>",
        part(3, "plain"),
        part(1, "&quot;quoted&quot;"),
        part(2, "&#34;by number&#34;")
    );
    let (begin, end) = list.split_at(list.find("Number>").unwrap());
    let s3 = S3Stub::start([chunked(200, &[XML], &[begin, end]), chunked(200, &[], &["wo", "r", "ds"])]).await;
    let store = s3.store();
    let expected = [(1, "\"quoted\""), (2, "\"by number\""), (3, "plain")];
    let expected = expected.map(|(number, etag)| Part { number, size_bytes: 5, etag: etag.to_owned() });
    assert_eq!(store.list_parts(KEY, "u").await.unwrap(), expected);
    let (mut object, mut bytes) = (store.get(KEY).await.unwrap().unwrap(), Vec::new());
    while let Some(piece) = object.next().await.unwrap() {
        bytes.extend(piece);
    }
    assert_eq!(bytes, b"words");
}

#[tokio::test]
async fn a_store_that_does_not_list_uploads_has_none_to_give_up() {
    for answer in [error(501, "NotImplemented"), error(403, "AccessDenied")] {
        let s3 = S3Stub::start([answer]).await;
        assert_eq!(s3.store().list_multiparts(KEY).await.unwrap(), Vec::<String>::new());
    }
    let s3 = S3Stub::start([error(404, "NoSuchBucket")]).await;
    assert!(s3.store().list_multiparts(KEY).await.is_err());
}

/// An upload of five bytes in one part.
fn in_parts() -> Media {
    let now = OffsetDateTime::UNIX_EPOCH;
    Media {
        id: MediaId::generate(&SystemClock, &SystemEntropy),
        owner_id: person().user_id,
        state: State::Processing,
        kind: Kind::Document,
        file_name: FileName::parse("a.txt".to_owned()).unwrap(),
        content_type: ContentType::parse("text/plain").unwrap(),
        size_bytes: 5,
        sha256: None,
        upload_id: Some("u".to_owned()),
        created_at: now,
        expires_at: now + Duration::HOUR,
        audience: Audience::Owner,
        scan: Scan::Unscanned,
        details: Details::default(),
    }
}

/// Puts that upload together at a store that answers so, and tells what the store was asked.
async fn assembled(replies: Vec<Reply>) -> (Result<(), processing::Error>, Vec<String>) {
    let (s3, dir) = (S3Stub::start(replies).await, tempfile::tempdir().unwrap());
    let processor = Processor {
        objects: s3.store(),
        clamd: None,
        tools: tools(),
        max_pixels: 1,
        scratch: Scratch::open(dir.path()).unwrap(),
        decoding: Semaphore::new(1),
    };
    let result = processor.assemble(&in_parts(), &["\"e\"".to_owned()]).await;
    let methods = s3.lines().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    (result, methods)
}

fn one_part() -> Reply {
    let list = "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>5</Size></Part></ListPartsResult>";
    reply(200, &[XML], list)
}

#[tokio::test]
async fn an_upload_that_is_over_because_it_was_completed_is_whole() {
    // The store fails while it tells that it is done, and is asked again.
    let no_object = || reply(404, &[], "");
    let lost = vec![no_object(), one_part(), error(500, "InternalError"), error(404, "NoSuchUpload")];
    let whole = lost.into_iter().chain([reply(200, &[], "words")]).collect();
    let (result, methods) = assembled(whole).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(methods, ["HEAD", "GET", "POST", "POST", "HEAD"]);
    // Another replica was faster: there are no parts any more.
    let faster = vec![no_object(), error(404, "NoSuchUpload"), reply(200, &[], "words")];
    let (result, methods) = assembled(faster).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(methods, ["HEAD", "GET", "HEAD"]);
}

#[tokio::test]
async fn an_upload_that_is_over_and_left_nothing_lacks_its_parts() {
    let gone = vec![reply(404, &[], ""), one_part(), error(404, "NoSuchUpload"), reply(404, &[], "")];
    let (result, methods) = assembled(gone).await;
    assert!(matches!(result, Err(processing::Error::Rejected(Rejection::Parts))), "{result:?}");
    assert_eq!(methods, ["HEAD", "GET", "POST", "HEAD", "DELETE"]);
}
