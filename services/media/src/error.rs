use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

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
    /// The caller has too many incomplete uploads, or too many bytes announced in them.
    #[error("too many incomplete uploads: complete them or wait until they expire")]
    QuotaExceeded,
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
    /// The upload is not complete, so there is nothing to fetch.
    #[error("the upload is not complete")]
    NotReady,
    /// An avatar must be a picture.
    #[error("the upload is no image that clients can show")]
    NoImage,
    /// Auth did not answer who may see an avatar.
    #[error("the auth service failed")]
    Access(#[source] Box<Status>),
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
            Self::NotFound | Self::AttachmentNotFound => Code::NotFound,
            Self::QuotaExceeded => Code::ResourceExhausted,
            Self::Expired
            | Self::NotUploaded
            | Self::SizeMismatch { .. }
            | Self::ContentTypeMismatch
            | Self::NotReady
            | Self::NoImage => Code::FailedPrecondition,
            Self::Access(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                Code::Unavailable
            }
            Self::ObjectStore(error) if error.is_unavailable() => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Access(_) | Self::ObjectStore(_) | Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::NotFound | Self::AttachmentNotFound => "MEDIA_NOT_FOUND",
            Self::QuotaExceeded => "UPLOAD_QUOTA_EXCEEDED",
            Self::Expired => "UPLOAD_EXPIRED",
            Self::NotUploaded => "UPLOAD_MISSING",
            Self::SizeMismatch { .. } => "UPLOAD_SIZE_MISMATCH",
            Self::ContentTypeMismatch => "UPLOAD_CONTENT_TYPE_MISMATCH",
            Self::NotReady => "MEDIA_NOT_READY",
            Self::NoImage => "MEDIA_NOT_AN_IMAGE",
            Self::Access(_) if self.code() == Code::Unavailable => "AUTH_SERVICE_UNAVAILABLE",
            Self::ObjectStore(error) if error.is_unavailable() => "OBJECT_STORE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Access(_) | Self::ObjectStore(_) | Self::Database(_) => "INTERNAL",
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
