//! The data folder: that it exists, can be written, and belongs to one earshot.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "earshot.lock";

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("cannot create the data folder {}: {error}", path.display())]
    Create { path: PathBuf, error: io::Error },
    #[error("cannot write to the data folder {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot read the data folder {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("the data folder {} is in use by another earshot", path.display())]
    InUse { path: PathBuf },
}

/// A data folder that is ours until this value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // the lock is released when the file is closed, also when the process is killed
    _lock: File,
}

impl DataDir {
    /// Creates the folder where it is missing and locks it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(|error| DataDirError::Create { path: path.clone(), error })?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(|error| DataDirError::Write { path: path.clone(), error })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(DataDirError::Write { path, error }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
