use std::error::Error as StdError;

use deadpool::managed::TimeoutType;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error as DieselError;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection URL or a file it names is wrong; trying again cannot help.
    #[error("the database URL is not usable: {0}")]
    Url(String),
    /// No connection could be made.
    #[error("no connection to the database could be made")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// Every connection of the pool stayed in use, or making one took too long.
    #[error("no database connection was free in time ({0})")]
    PoolTimeout(&'static str),
    /// The pool was closed.
    #[error("the database pool is closed")]
    PoolClosed,
    /// The database refused a statement, or the connection was lost while it ran.
    #[error("a database statement failed")]
    Query(#[from] DieselError),
    /// A migration could not be run.
    #[error("the migrations of schema {schema} could not be run")]
    Migration {
        /// The schema.
        schema: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Another process has been migrating the same database all the time.
    #[error("another process holds the migration lock of this database")]
    MigrationLock,
}

impl Error {
    pub(crate) fn connect(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Connect(source.into())
    }

    /// Whether the database could not be reached, so that the same call may well succeed a little later: nobody
    /// listens, the connection was lost, the server shuts down or starts, or no connection was free in time.
    /// A statement during which the connection was lost may or may not have been committed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::PoolTimeout(_) | Self::PoolClosed => true,
            Self::Query(error) => query_is_unavailable(error),
            Self::Url(_) | Self::Migration { .. } | Self::MigrationLock => false,
        }
    }

    /// The name of the unique constraint that a statement would have broken.
    #[must_use]
    pub fn is_unique_violation(&self) -> Option<&str> {
        let Self::Query(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information)) = self else {
            return None;
        };
        Some(information.constraint_name().unwrap_or_default())
    }

    /// Whether the transaction lost against another one and may be run again from its start.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Query(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Self::Query(DieselError::DatabaseError(DatabaseErrorKind::Unknown, information)) => {
                information.message() == "deadlock detected"
            }
            _ => false,
        }
    }
}

/// diesel keeps no SQLSTATE, only a kind, and has none for these; a server that speaks another language than English
/// is recognised one call later, when its connection is found closed.
const UNAVAILABLE_MESSAGES: [&str; 5] = [
    "terminating connection",               // 57P01 admin_shutdown, 57P05 idle_session_timeout
    "the database system is",               // 57P03 cannot_connect_now
    "remaining connection slots",           // 53300 too_many_connections
    "sorry, too many clients",              // 53300
    "canceling statement due to statement", // 57014 statement timeout: the database is too busy
];

fn query_is_unavailable(error: &DieselError) -> bool {
    match error {
        DieselError::BrokenTransactionManager => true,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => query_is_unavailable(commit_error),
        DieselError::DatabaseError(kind, information) => match kind {
            // A database that became a standby refuses writes until the pool reaches the new primary.
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction => true,
            DatabaseErrorKind::Unknown => {
                UNAVAILABLE_MESSAGES.iter().any(|start| information.message().starts_with(start))
            }
            _ => false,
        },
        _ => false,
    }
}

impl From<deadpool::managed::PoolError<Error>> for Error {
    fn from(error: deadpool::managed::PoolError<Error>) -> Self {
        use deadpool::managed::{HookError, PoolError};
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::PoolTimeout("all are in use"),
            PoolError::Timeout(TimeoutType::Create) => Self::PoolTimeout("making one took too long"),
            PoolError::Timeout(TimeoutType::Recycle) => Self::PoolTimeout("checking one took too long"),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error,
            PoolError::PostCreateHook(HookError::Message(message)) => Self::connect(message.into_owned()),
            PoolError::Closed => Self::PoolClosed,
            PoolError::NoRuntimeSpecified => Self::connect("the pool has no runtime to measure its timeouts by"),
        }
    }
}
