//! From one store to another, and looking whether a blob is what its name
//! says: a piece at a time, so that no blob is ever in memory whole.

use futures_util::StreamExt;

use crate::{BlobId, BlobStore, Error, Hasher, Result};

/// What was found where a blob should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The bytes that its name says, so many of them.
    Good(u64),
    /// Nothing.
    Missing,
    /// So many other bytes.
    Corrupt(u64),
    /// A file or an object that can't be read, and why.
    Unreadable(String),
}

/// Reads a blob and compares its bytes with its name.
///
/// # Errors
/// The store can't be reached, which tells nothing about the blob.
pub async fn examine(store: &dyn BlobStore, id: &BlobId) -> Result<Condition> {
    let read = async {
        let size = store.size(id).await?;
        let mut pieces = store.stream(id, 0..size).await?;
        let mut hasher = Hasher::default();
        while let Some(piece) = pieces.next().await {
            hasher.update(&piece?);
        }
        let is_good = hasher.finish() == id.hash;
        Ok(if is_good { Condition::Good(size) } else { Condition::Corrupt(size) })
    };
    match read.await {
        Err(Error::NotFound(_)) => Ok(Condition::Missing),
        Err(error @ (Error::Io { .. } | Error::Corrupt(_))) => {
            Ok(Condition::Unreadable(error.to_string()))
        }
        found => found,
    }
}

/// Copies a blob, under the same name, and returns how many bytes it has. What
/// isn't what its name says is not put into the other store.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Corrupt`], or one of the stores fails.
pub async fn copy(from: &dyn BlobStore, to: &dyn BlobStore, id: &BlobId) -> Result<u64> {
    let size = from.size(id).await?;
    let mut pieces = from.stream(id, 0..size).await?;
    let mut spool = to.spool();
    while let Some(piece) = pieces.next().await {
        spool.write(piece?).await?;
    }
    let spooled = spool.finish().await?;
    if spooled.hash() != id.hash {
        return Err(Error::Corrupt(*id));
    }
    to.put(id, spooled).await?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Files, Hash, Leftovers};

    #[tokio::test]
    async fn a_copy_is_what_its_name_says_or_is_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).expect("makes a folder");
            Files::open(&folder, Leftovers::All).expect("opens")
        };
        let (from, to) = (open("from"), open("to"));
        let bytes = Bytes::from(vec![7; 700_000]);
        let id = BlobId::new(Hash::of(&bytes));
        assert!(matches!(copy(&from, &to, &id).await, Err(Error::NotFound(_))));
        assert_eq!(examine(&from, &id).await.expect("reads"), Condition::Missing);

        let mut spool = from.spool();
        spool.write(bytes.clone()).await.expect("writes");
        let spooled = spool.finish().await.expect("ends");
        from.put(&id, spooled).await.expect("is stored");
        assert_eq!(copy(&from, &to, &id).await.expect("copies"), 700_000);
        assert_eq!(to.get(&id).await.expect("is there"), bytes);
        assert_eq!(examine(&to, &id).await.expect("reads"), Condition::Good(700_000));

        let path = folder.path().join("from/blobs").join(id.to_string());
        let mut damaged = bytes.to_vec();
        damaged[600_000] ^= 1;
        std::fs::write(&path, damaged).expect("writes");
        assert_eq!(examine(&from, &id).await.expect("reads"), Condition::Corrupt(700_000));
        to.delete(&id).await.expect("removes");
        assert!(matches!(copy(&from, &to, &id).await, Err(Error::Corrupt(_))));
        assert!(to.list(id.shard()).await.expect("lists").is_empty());
    }
}
