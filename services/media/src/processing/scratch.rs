use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "godwit-media-";
const LOCK: &str = "lock";

/// Where jobs keep files: a folder that this process holds by a lock for as long as it lives, so that the next one can tell
/// what a process left that was killed, and remove it.
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new folder in `parent`. Those of dead processes beside it are removed.
    ///
    /// # Errors
    /// When `parent` cannot be used.
    pub fn open(parent: &Path) -> io::Result<Self> {
        sweep(parent)?;
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.lock()?;
            // Another process may have taken it for one of a dead process until it was locked.
            if folder.path().join(LOCK).try_exists()? {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// A folder for one job, which ends with its value.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn job(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("job-").tempdir_in(self.folder.path())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What cannot be removed is somebody else's, or is left to the next process.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let folder = entry?.path();
        let is_ours = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        if !is_ours {
            continue;
        }
        let Ok(lock) = File::open(folder.join(LOCK)) else { continue };
        if lock.try_lock().is_ok()
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::warn!(%error, "what a dead process left cannot be removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_living_one_has_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::open(parent.path()).unwrap();
        let job = living.job().unwrap();
        let dead = parent.path().join("godwit-media-dead");
        std::fs::create_dir_all(dead.join("job-1")).unwrap();
        std::fs::write(dead.join("lock"), "").unwrap();
        std::fs::write(dead.join("job-1/upload"), "bytes").unwrap();
        let of_others = parent.path().join("others");
        std::fs::create_dir(&of_others).unwrap();

        let next = Scratch::open(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(job.path().exists() && of_others.exists());
        assert_ne!(next.path(), living.path());
        drop(job);
        let left = living.path().to_owned();
        drop(living);
        assert!(!left.exists());
    }
}
