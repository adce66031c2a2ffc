use std::io;

use tokio::task::JoinError;

use crate::domain::Rejection;
use crate::object_store;

/// Why looking at an upload came to no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not to be kept: a result, carried as an error so that each step may give it.
    #[error("the upload is rejected: {}", .0.as_str())]
    Rejected(Rejection),
    /// The object is not there any more.
    #[error("the object is gone")]
    Gone,
    /// The object store did not answer as it should.
    #[error("the object store failed")]
    ObjectStore(#[from] object_store::Error),
    /// The scanner did not answer as it should.
    #[error("the malware scanner failed")]
    Scanner(#[source] io::Error),
    /// The scanner says that it cannot scan.
    #[error("the malware scanner refused: {0}")]
    ScannerRefused(String),
    /// The local folder cannot be used.
    #[error("the folder of the job cannot be used")]
    Disk(#[source] io::Error),
    /// A tool cannot be started: it is not installed.
    #[error("{0} cannot be started")]
    ToolMissing(&'static str, #[source] io::Error),
    /// A tool was ended because it took too long or wrote too much.
    #[error("{0} went over its limits")]
    ToolOverLimits(&'static str),
    /// The steps that compute did not end.
    #[error("a step broke off")]
    Broken(#[from] JoinError),
}

impl Error {
    /// Whether another part is down, so that the upload is not to blame and the same will do later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::ObjectStore(error) => error.is_unavailable(),
            Self::Scanner(_) | Self::ScannerRefused(_) | Self::Disk(_) | Self::ToolMissing(..) => true,
            Self::Rejected(_) | Self::Gone | Self::ToolOverLimits(_) | Self::Broken(_) => false,
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
