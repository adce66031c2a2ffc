use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::Error;
use crate::domain::{ContentType, Kind, Rejection};

/// Enough for every signature that is looked for.
const HEAD_BYTES: u64 = 8 * 1024;
const UNKNOWN: &str = "application/octet-stream";

/// What the bytes of a file are, if they may be sent as this kind.
pub async fn sniff(file: &Path, kind: Kind, announced: &ContentType) -> Result<ContentType, Error> {
    let mut head = Vec::new();
    let file = File::open(file).await.map_err(Error::Disk)?;
    file.take(HEAD_BYTES).read_to_end(&mut head).await.map_err(Error::Disk)?;
    Ok(decide(found(&head).as_ref(), kind, announced)?)
}

/// The type that the first bytes tell, in the spelling that [`Kind`] lists.
fn found(head: &[u8]) -> Option<ContentType> {
    let mime_type = infer::get(head)?.mime_type();
    let mime_type = match mime_type {
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "audio/m4a" => "audio/mp4",
        "video/x-m4v" => "video/mp4",
        other => other,
    };
    ContentType::parse(mime_type).ok()
}

/// The client's word counts for documents alone, and there only where the bytes do not tell: as what is saved, never as
/// something to be shown.
fn decide(found: Option<&ContentType>, kind: Kind, announced: &ContentType) -> Result<ContentType, Rejection> {
    let Some(found) = found else {
        if kind != Kind::Document {
            return Err(Rejection::Type);
        }
        // The bytes would have told if it were something to look at or listen to.
        let is_claim = announced.is_shown_inline();
        return Ok(if is_claim { ContentType::from_store(UNKNOWN.to_owned()) } else { announced.clone() });
    };
    if !kind.admits(found) {
        return Err(Rejection::Type);
    }
    // Office documents, packages and books are zip archives by their first bytes.
    let is_container = kind == Kind::Document && found.essence() == "application/zip" && !announced.is_shown_inline();
    Ok(if is_container { announced.clone() } else { found.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_type(text: &str) -> ContentType {
        ContentType::parse(text).unwrap()
    }

    fn decided(head: &[u8], kind: Kind, announced: &str) -> Result<String, Rejection> {
        decide(found(head).as_ref(), kind, &content_type(announced)).map(|found| found.as_str().to_owned())
    }

    #[test]
    fn the_bytes_are_believed_and_not_the_client() {
        let png = b"\x89PNG\r\n\x1a\n0000";
        assert_eq!(decided(png, Kind::Image, "image/jpeg").unwrap(), "image/png");
        assert_eq!(decided(png, Kind::Document, "text/plain").unwrap(), "image/png");
        assert_eq!(decided(png, Kind::Video, "video/mp4"), Err(Rejection::Type));
        assert_eq!(decided(b"<!DOCTYPE html><script>", Kind::Image, "image/png"), Err(Rejection::Type));
        assert_eq!(decided(b"GIF89a", Kind::Voice, "audio/ogg"), Err(Rejection::Type));
        assert_eq!(decided(b"", Kind::Image, "image/png"), Err(Rejection::Type));
    }

    #[test]
    fn what_the_bytes_do_not_tell_is_never_something_to_show() {
        assert_eq!(decided(b"plain words", Kind::Document, "text/plain").unwrap(), "text/plain");
        assert_eq!(decided(b"plain words", Kind::Document, "image/png").unwrap(), UNKNOWN);
        let zip = b"PK\x03\x04\x14\x00\x00\x00\x08\x00";
        let sheet = "application/vnd.oasis.opendocument.spreadsheet";
        assert_eq!(decided(zip, Kind::Document, sheet).unwrap(), sheet);
        assert_eq!(decided(zip, Kind::Document, "image/png").unwrap(), "application/zip");
    }

    #[test]
    fn every_type_of_the_lists_is_found_in_its_bytes() {
        let mp4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2";
        let m4a = b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00isomiso2";
        let webp = b"RIFF\x00\x00\x00\x00WEBPVP8 ";
        let wav = b"RIFF\x00\x00\x00\x00WAVEfmt ";
        for (head, kind, expected) in [
            (&b"\xff\xd8\xff\xe0\x00\x10JFIF"[..], Kind::Image, "image/jpeg"),
            (webp, Kind::Image, "image/webp"),
            (b"GIF89a", Kind::Image, "image/gif"),
            (mp4, Kind::Video, "video/mp4"),
            (m4a, Kind::Voice, "audio/mp4"),
            (b"OggS\x00\x02\x00\x00", Kind::Voice, "audio/ogg"),
            (b"fLaC\x00\x00\x00\x22", Kind::Audio, "audio/flac"),
            (wav, Kind::Audio, "audio/wav"),
            (b"ID3\x03\x00", Kind::Audio, "audio/mpeg"),
        ] {
            assert_eq!(decided(head, kind, "application/pdf").unwrap(), expected);
        }
    }
}
