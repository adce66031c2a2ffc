use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::Error;
use crate::domain::Rejection;
use crate::object_store::ObjectStore;

/// What a fetched object is, besides its bytes.
pub struct Fetched {
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

/// Brings an object into a file, a piece at a time: memory stays the same whatever its size. It must have exactly
/// `size_bytes`; not one byte more is written.
pub async fn fetch(objects: &ObjectStore, key: &str, size_bytes: u64, to: &Path) -> Result<Fetched, Error> {
    let mut object = objects.get(key).await?.ok_or(Error::Gone)?;
    let mut file = File::create(to).await.map_err(Error::Disk)?;
    let mut hash = Sha256::new();
    let mut left = size_bytes;
    while let Some(piece) = object.next().await? {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        left = left.checked_sub(length).ok_or(Rejection::Size)?;
        hash.update(&piece);
        file.write_all(&piece).await.map_err(Error::Disk)?;
    }
    file.flush().await.map_err(Error::Disk)?;
    if left > 0 {
        return Err(Rejection::Size.into());
    }
    Ok(Fetched { sha256: hash.finalize().into() })
}
