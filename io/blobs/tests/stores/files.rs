//! What only a store of files must get right: its folders.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use larder_blobs::{BlobStore, BlobsUrl, DataFolder, Error, Files, Leftovers, open};

use crate::stage::{bytes, files_below, put};

fn leave_behind(folder: &Path, name: &str, age: Duration) {
    let path = folder.join("tmp").join(name);
    std::fs::write(&path, "half").expect("writes");
    let file = File::options().write(true).open(path).expect("opens");
    file.set_modified(SystemTime::now() - age).expect("ages it");
}

#[tokio::test]
async fn leftovers_are_removed_at_the_next_start_and_strangers_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Files::open(folder.path(), Leftovers::All).expect("opens"));
    leave_behind(folder.path(), "0123456789abcdef", Duration::ZERO);
    std::fs::write(folder.path().join("blobs/00/notes.txt"), "mine").expect("writes");
    let store = Files::open(folder.path(), Leftovers::All).expect("opens again");
    assert_eq!(store.list(0).await.expect("lists"), []);
    assert_eq!(files_below(folder.path()), 1);
}

#[tokio::test]
async fn in_a_folder_that_others_use_too_only_old_leftovers_are_removed() {
    let data = tempfile::tempdir().expect("a folder");
    let shared = tempfile::tempdir().expect("a folder");
    let url = BlobsUrl::Files(shared.path().join("deep/blobs"));
    let reopen = async || open(&url, data.path(), true, &|_| None).await.expect("opens");
    drop(reopen().await);
    let folder = shared.path().join("deep/blobs");
    let hour = Duration::from_secs(3600);
    leave_behind(&folder, "of-another-process", hour);
    leave_behind(&folder, "of-last-week", 7 * 24 * hour);
    let store = reopen().await;
    assert!(folder.join("tmp/of-another-process").exists());
    assert!(!folder.join("tmp/of-last-week").exists());

    let id = put(&*store, &bytes(300_000)).await.expect("puts");
    assert!(folder.join("blobs").join(id.to_string()).exists());
    assert_eq!(files_below(data.path()), 0, "nothing of it is in the data folder");
}

#[tokio::test]
async fn a_folder_that_went_away_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Files::open(folder.path(), Leftovers::All).expect("opens");
    store.check().await.expect("is there");
    std::fs::remove_dir_all(folder.path().join("blobs")).expect("removes");
    assert!(matches!(store.check().await, Err(Error::Io { .. })));
}

#[test]
fn a_data_folder_has_one_owner() {
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("deep/data");
    let first = DataFolder::open(&path).expect("opens");
    let refusal = DataFolder::open(&path).err().expect("is refused").to_string();
    assert!(refusal.contains("another larder is running on the data folder"), "{refusal}");
    let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(first.free_bytes().expect("tells") > 0);
    drop(first);
    DataFolder::open(&path).expect("opens once the first is gone");
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let parent = tempfile::tempdir().expect("a folder");
    let file = parent.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let refusal = DataFolder::open(&file.join("data")).err().expect("is refused").to_string();
    assert!(refusal.starts_with("can't make the data folder"), "{refusal}");
}
