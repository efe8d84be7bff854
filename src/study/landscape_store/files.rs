//! A folder as the storage of Zarr arrays. Values are written whole or not at all.

use crate::store;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zarrs::storage::byte_range::ByteRangeIterator;
use zarrs::storage::{
    Bytes, MaybeBytes, MaybeBytesIterator, OffsetBytesIterator, ReadableStorageTraits, StorageError, StoreKey,
    StorePrefix, WritableStorageTraits, store_set_partial_many,
};

/// The folder; keys are paths below it.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(root: &Path) -> Files {
        Files { root: root.into() }
    }

    pub(super) fn path(&self, key: &StoreKey) -> PathBuf {
        self.root.join(key.as_str())
    }
}

/// What is not there is no error.
fn if_there<T>(result: std::io::Result<T>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(reason) if matches!(reason.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(reason) => Err(Arc::new(reason).into()),
    }
}

impl ReadableStorageTraits for Files {
    fn get(&self, key: &StoreKey) -> Result<MaybeBytes, StorageError> {
        Ok(if_there(std::fs::read(self.path(key)))?.map(Bytes::from))
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(whole) = self.get(key)? else { return Ok(None) };
        let part = move |range: zarrs::storage::byte_range::ByteRange| {
            let (size, asked) = (whole.len(), range.to_range_usize(whole.len() as u64));
            let inside = asked.start <= asked.end && asked.end <= size;
            if inside { Ok(whole.slice(asked)) } else { Err(StorageError::Other(format!("{range} of {size} bytes"))) }
        };
        Ok(Some(Box::new(ranges.map(part))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        Ok(if_there(std::fs::metadata(self.path(key)))?.map(|found| found.len()))
    }

    fn supports_get_partial(&self) -> bool {
        false
    }
}

impl WritableStorageTraits for Files {
    fn set(&self, key: &StoreKey, value: Bytes) -> Result<(), StorageError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        let written = store::make_folder(folder).and_then(|()| store::write(&path, &value));
        written.map_err(|error| StorageError::Other(error.to_string()))
    }

    fn set_partial_many(&self, key: &StoreKey, values: OffsetBytesIterator) -> Result<(), StorageError> {
        store_set_partial_many(self, key, values)
    }

    fn erase(&self, key: &StoreKey) -> Result<(), StorageError> {
        if_there(std::fs::remove_file(self.path(key))).map(|_| ())
    }

    fn erase_prefix(&self, prefix: &StorePrefix) -> Result<(), StorageError> {
        if_there(std::fs::remove_dir_all(self.root.join(prefix.as_str()))).map(|_| ())
    }

    fn supports_set_partial(&self) -> bool {
        false
    }
}
