use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::{Error, mp3};
use crate::domain::{ContentType, Kind, Rejection};

/// Enough for every signature that is looked for.
const HEAD_BYTES: u64 = 8 * 1024;
/// The header of a Matroska file takes 40 or so.
const EBML_HEADER_BYTES: usize = 64;
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
    let known = infer::get(head).map(|found| found.mime_type());
    // `infer` knows MP3 by a tag, and by the commonest of its frames.
    let mime_type = known.or_else(|| mp3::begins(head).then_some("audio/mpeg"))?;
    let mime_type = match mime_type {
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "audio/m4a" => "audio/mp4",
        "video/x-m4v" => "video/mp4",
        "video/webm" if is_matroska(head) => "video/x-matroska",
        other => other,
    };
    ContentType::parse(mime_type).ok()
}

/// Whether a file in the syntax of both says that it is Matroska and not `WebM` (RFC 8794, section 11.2.6: `DocType`).
/// `infer` looks where older writers put that.
fn is_matroska(head: &[u8]) -> bool {
    let doc_type = b"\x42\x82\x88matroska";
    head.windows(doc_type.len()).take(EBML_HEADER_BYTES).any(|window| window == doc_type)
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

    /// As ffmpeg and mkvmerge write them: the type of the document is at byte 24.
    const WEBM: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\
        \x42\x82\x84webm\x42\x87\x81\x04\x42\x85\x81\x02\x18\x53\x80\x67";
    const MATROSKA: &[u8] = b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\
        \x42\x82\x88matroska\x42\x87\x81\x04\x42\x85\x81\x02\x18\x53\x80\x67";

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

    /// How a file of a type begins, and the type that this tells: sound alone in a container of films is told apart later.
    fn beginning(content_type: &str) -> (&'static [u8], &str) {
        let head: &[u8] = match content_type {
            "image/jpeg" => b"\xff\xd8\xff\xe0\x00\x10JFIF",
            "image/png" => b"\x89PNG\r\n\x1a\n0000",
            "image/gif" => b"GIF89a",
            "image/webp" => b"RIFF\x00\x00\x00\x00WEBPVP8 ",
            "video/mp4" => b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
            "video/quicktime" => b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  ",
            "video/webm" => WEBM,
            "video/x-matroska" => MATROSKA,
            "audio/ogg" => b"OggS\x00\x02\x00\x00",
            "audio/mp4" => b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00isomiso2",
            "audio/mpeg" => b"ID3\x03\x00",
            "audio/webm" => return (WEBM, "video/webm"),
            "audio/flac" => b"fLaC\x00\x00\x00\x22",
            "audio/wav" => b"RIFF\x00\x00\x00\x00WAVEfmt ",
            "audio/aac" => b"\xff\xf1\x50\x40",
            other => panic!("how does {other} begin?"),
        };
        (head, content_type)
    }

    #[test]
    fn every_type_of_the_lists_is_found_in_its_bytes() {
        for kind in Kind::ALL {
            for content_type in kind.list().unwrap_or_default() {
                let (head, expected) = beginning(content_type);
                assert_eq!(decided(head, kind, "application/pdf").as_deref(), Ok(expected), "{kind:?}: {content_type}");
            }
        }
    }
}
