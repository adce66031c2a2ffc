use godwit_contract::media::v1 as proto;
use godwit_rpc::timestamp;

use crate::domain::{self, ContentType, Kind, Scan, State, ThumbnailSize};

/// The record as clients see it.
pub fn media(media: domain::Media) -> proto::Media {
    let (state, rejection) = match media.state {
        State::Pending | State::Expired => (proto::MediaState::Pending, ""),
        State::Processing => (proto::MediaState::Processing, ""),
        State::Ready => (proto::MediaState::Ready, ""),
        State::Rejected(rejection) => (proto::MediaState::Rejected, rejection.as_str()),
    };
    let scan = match (state, media.scan) {
        (proto::MediaState::Ready | proto::MediaState::Rejected, Scan::Unscanned) => proto::MediaScan::Unscanned,
        (proto::MediaState::Ready | proto::MediaState::Rejected, Scan::Clean) => proto::MediaScan::Clean,
        (proto::MediaState::Ready | proto::MediaState::Rejected, Scan::Infected) => proto::MediaScan::Infected,
        _ => proto::MediaScan::Unspecified,
    };
    let details = media.details;
    proto::Media {
        id: media.id.to_string(),
        state: state.into(),
        file_name: media.file_name.as_str().to_owned(),
        content_type: media.content_type.as_str().to_owned(),
        size_bytes: media.size_bytes,
        created_at: Some(timestamp(media.created_at)),
        kind: kind(media.kind).into(),
        scan: scan.into(),
        rejection: rejection.to_owned(),
        width: details.width.unwrap_or_default(),
        height: details.height.unwrap_or_default(),
        duration_ms: details.duration_ms.unwrap_or_default(),
        blurhash: details.blurhash.unwrap_or_default(),
        waveform: details.waveform.into(),
        has_thumbnails: details.has_thumbnails,
    }
}

/// The kind that a client names, or that follows from the announced type; `None` for one of a later contract.
pub fn read_kind(named: i32, content_type: &ContentType) -> Option<Kind> {
    Some(match proto::MediaKind::try_from(named).ok()? {
        proto::MediaKind::Unspecified => Kind::of(content_type),
        proto::MediaKind::Image => Kind::Image,
        proto::MediaKind::Video => Kind::Video,
        proto::MediaKind::VideoNote => Kind::VideoNote,
        proto::MediaKind::Voice => Kind::Voice,
        proto::MediaKind::Audio => Kind::Audio,
        proto::MediaKind::Document => Kind::Document,
    })
}

/// The size that a client names; `None` for one of a later contract.
pub fn read_thumbnail_size(named: i32) -> Option<ThumbnailSize> {
    Some(match proto::ThumbnailSize::try_from(named).ok()? {
        proto::ThumbnailSize::Unspecified | proto::ThumbnailSize::Medium => ThumbnailSize::Medium,
        proto::ThumbnailSize::Small => ThumbnailSize::Small,
        proto::ThumbnailSize::Large => ThumbnailSize::Large,
        proto::ThumbnailSize::Square => ThumbnailSize::Square,
    })
}

const fn kind(kind: Kind) -> proto::MediaKind {
    match kind {
        Kind::Image => proto::MediaKind::Image,
        Kind::Video => proto::MediaKind::Video,
        Kind::VideoNote => proto::MediaKind::VideoNote,
        Kind::Voice => proto::MediaKind::Voice,
        Kind::Audio => proto::MediaKind::Audio,
        Kind::Document => proto::MediaKind::Document,
    }
}
