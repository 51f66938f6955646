//! Compares a server that was just started again with the ledger: images,
//! versions, deleted keys, and what lies in its folder.

use std::collections::{BTreeMap, BTreeSet};

use super::http::image_path;
use super::ledger::Ledger;
use super::{PATIENCE, Server, blobs_below, files_below};

/// An image as the list tells of it.
struct Listed {
    hash: blake3::Hash,
    version: u64,
    location: String,
}

/// Compares everything. The bytes of images are read where something was
/// tried since the last time, and everywhere if `all_bytes`. Returns how many
/// were read. Nothing may be in flight.
pub(crate) fn verify(server: &Server, ledger: &Ledger, all_bytes: bool) -> usize {
    let leftovers = files_below(&server.folder.join("tmp"));
    assert!(leftovers.is_empty(), "left in tmp: {leftovers:?}");

    let listed = list(server);
    let mut client = server.client();
    let mut read = 0;
    for (key, is_touched) in ledger.keys() {
        let found = listed.get(&key);
        if is_touched || all_bytes {
            let answer = client.get(&image_path(&key));
            let held = (answer.status == 200).then(|| blake3::hash(&answer.body));
            if !matches!(answer.status, 200 | 404) || held != found.map(|image| image.hash) {
                ledger.complain(format!(
                    "{key:?}: GET answers {} with {held:?}, the list says {:?}",
                    answer.status,
                    found.map(|image| image.hash)
                ));
            }
            read += usize::from(held.is_some());
        }
        ledger.settle(&key, found.map(|image| (image.hash, image.version)));
    }
    for key in listed.keys().filter(|key| !ledger.knows(key)) {
        ledger.complain(format!("{key:?} is there and was never uploaded"));
    }
    let complaints = ledger.complaints();
    assert!(complaints.is_empty(), "{}\nlog:\n{}", complaints.join("\n"), server.process.log());

    if !server.has_files {
        return read;
    }
    let named: BTreeSet<&str> = listed.values().map(|image| image.location.as_str()).collect();
    let blobs = server.folder.join("blobs");
    let mut wrong = BTreeSet::new();
    let since = std::time::Instant::now();
    while since.elapsed() < PATIENCE {
        let files = blobs_below(&server.folder);
        let there: BTreeSet<_> =
            files.iter().filter_map(|file| file.strip_prefix(&blobs).ok()?.to_str()).collect();
        wrong = there.symmetric_difference(&named).map(|blob| (*blob).to_owned()).collect();
        if wrong.is_empty() {
            return read;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    panic!("blobs without an image, or the other way round: {wrong:?}\n{}", server.process.log());
}

fn list(server: &Server) -> BTreeMap<String, Listed> {
    let mut client = server.client();
    let (mut listed, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = client.get(&format!("/images?limit=1000{cursor}")).json();
        for image in page["images"].as_array().expect("a list has images") {
            let text = |field: &str| image[field].as_str().expect("is a text").to_owned();
            let hash = blake3::Hash::from_hex(text("hash")).expect("is a hash");
            let version = image["version"].as_u64().expect("is a number");
            let image = Listed { hash, version, location: text("location") };
            listed.insert(text("key"), image);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return listed,
        }
    }
}
