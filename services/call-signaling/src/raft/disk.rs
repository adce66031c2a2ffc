use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Log entries by index, as JSON.
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Single values: vote, last purged log id, snapshot.
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");

/// One file on disk that holds everything a replica must not forget. Commits are synced before they return (redb's
/// default durability), which takes milliseconds: async code writes by [`Disk::write`].
#[derive(Clone)]
pub(super) struct Disk {
    database: Arc<Database>,
}

/// Why the disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// The file or the file system.
    #[error("the replica's file failed")]
    Redb(#[source] Box<redb::Error>),
    /// What stands there is not what this release writes.
    #[error("a stored value cannot be read or written")]
    Json(#[from] serde_json::Error),
    /// What was to be done panicked, or the runtime ends.
    #[error("the replica's file was not written to the end")]
    Broken(#[from] tokio::task::JoinError),
}

macro_rules! from_redb {
    ($($error:ident),+) => {$(
        impl From<redb::$error> for DiskError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        }
    )+};
}

from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

impl Disk {
    /// Opens the file, or makes it. It is held exclusively.
    pub(super) fn open(path: &Path) -> Result<Self, DiskError> {
        let database = Database::create(path)?;
        let write = database.begin_write()?;
        write.open_table(LOG)?;
        write.open_table(VALUES)?;
        write.commit()?;
        Ok(Self { database: Arc::new(database) })
    }

    /// Does what ends with a sync on a thread that may wait for it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, DiskError> + Send + 'static,
    ) -> Result<T, DiskError> {
        let disk = self.clone();
        tokio::task::spawn_blocking(move || work(&disk)).await?
    }

    pub(super) fn begin_read(&self) -> Result<redb::ReadTransaction, DiskError> {
        Ok(self.database.begin_read()?)
    }

    pub(super) fn begin_write(&self) -> Result<redb::WriteTransaction, DiskError> {
        Ok(self.database.begin_write()?)
    }

    pub(super) fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DiskError> {
        let table = self.begin_read()?.open_table(VALUES)?;
        let Some(bytes) = table.get(name)? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(bytes.value())?))
    }

    pub(super) fn set_value<T: Serialize>(&self, name: &str, value: &T) -> Result<(), DiskError> {
        let write = self.begin_write()?;
        put_value(&write, name, value)?;
        write.commit()?;
        Ok(())
    }
}

/// Sets a value together with what else the transaction does.
pub(super) fn put_value<T: Serialize>(write: &redb::WriteTransaction, name: &str, value: &T) -> Result<(), DiskError> {
    let bytes = serde_json::to_vec(value)?;
    write.open_table(VALUES)?.insert(name, bytes.as_slice())?;
    Ok(())
}
