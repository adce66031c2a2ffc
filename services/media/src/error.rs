use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::{Rejection, Shortage};
use crate::object_store;

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is none with this id, or the caller may not see it.
    #[error("there is no such media")]
    NotFound,
    /// What is to be sent with a message is no finished upload of its sender.
    #[error("an attachment is no finished upload of the sender")]
    AttachmentNotFound,
    /// The caller has no room for another upload of this size.
    #[error("no room for this upload: {} {} are left", .0.left, .0.of)]
    QuotaExceeded(Shortage),
    /// The bytes of the upload come all at once.
    #[error("the upload does not come in parts, or is complete")]
    NotInParts,
    /// The upload is complete, so it cannot be given up.
    #[error("the upload is complete")]
    Completed,
    /// The upload was not completed in time.
    #[error("the upload was not completed in time: begin another one")]
    Expired,
    /// Nothing has been put at the upload's address yet.
    #[error("the object has not been uploaded yet")]
    NotUploaded,
    /// The object has another size than the one announced.
    #[error("the object has {found} bytes, {announced} were announced: begin another upload")]
    SizeMismatch {
        /// What the client said.
        announced: u64,
        /// What is there.
        found: u64,
    },
    /// The object has another content type than the one announced.
    #[error("the object's content type is not the announced one: begin another upload")]
    ContentTypeMismatch,
    /// The upload is not complete or not looked at yet, so there is nothing to fetch.
    #[error("the upload is not ready")]
    NotReady,
    /// The upload was looked at and is not kept.
    #[error("the upload was rejected: {}", .0.as_str())]
    Rejected(Rejection),
    /// There is nothing to see in it.
    #[error("there is no thumbnail of this")]
    NoThumbnail,
    /// An avatar must be a picture.
    #[error("the upload is no image that clients can show")]
    NoImage,
    /// Auth did not answer who may see an avatar.
    #[error("the auth service failed")]
    Access(#[source] Box<Status>),
    /// Chat did not answer who is a member.
    #[error("the chat service failed")]
    Chats(#[source] Box<Status>),
    /// The object store did not answer as it should.
    #[error("the object store failed")]
    ObjectStore(#[from] object_store::Error),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::NotFound | Self::AttachmentNotFound | Self::NoThumbnail => Code::NotFound,
            Self::QuotaExceeded(_) => Code::ResourceExhausted,
            Self::Expired
            | Self::NotUploaded
            | Self::SizeMismatch { .. }
            | Self::ContentTypeMismatch
            | Self::NotReady
            | Self::Rejected(_)
            | Self::NotInParts
            | Self::Completed
            | Self::NoImage => Code::FailedPrecondition,
            Self::Access(status) | Self::Chats(status)
                if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) =>
            {
                Code::Unavailable
            }
            Self::ObjectStore(error) if error.is_unavailable() => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Access(_) | Self::Chats(_) | Self::ObjectStore(_) | Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::NotFound | Self::AttachmentNotFound => "MEDIA_NOT_FOUND",
            Self::QuotaExceeded(_) => "UPLOAD_QUOTA_EXCEEDED",
            Self::Expired => "UPLOAD_EXPIRED",
            Self::NotUploaded => "UPLOAD_MISSING",
            Self::SizeMismatch { .. } => "UPLOAD_SIZE_MISMATCH",
            Self::ContentTypeMismatch => "UPLOAD_CONTENT_TYPE_MISMATCH",
            Self::NotReady => "MEDIA_NOT_READY",
            Self::Rejected(_) => "MEDIA_REJECTED",
            Self::NoThumbnail => "MEDIA_HAS_NO_THUMBNAIL",
            Self::NotInParts => "UPLOAD_NOT_IN_PARTS",
            Self::Completed => "UPLOAD_COMPLETED",
            Self::NoImage => "MEDIA_NOT_AN_IMAGE",
            Self::Access(_) if self.code() == Code::Unavailable => "AUTH_SERVICE_UNAVAILABLE",
            Self::Chats(_) if self.code() == Code::Unavailable => "CHAT_SERVICE_UNAVAILABLE",
            Self::ObjectStore(error) if error.is_unavailable() => "OBJECT_STORE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Access(_) | Self::Chats(_) | Self::ObjectStore(_) | Self::Database(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            Self::AttachmentNotFound => InvalidField::new("media_ids", "must be finished uploads of yours").fields(),
            _ => Vec::new(),
        }
    }
}
