//! Power cuts: a real server writes to a file system in an image file, a copy
//! of the image is what a cut leaves, and the next server starts on that. The
//! server is stopped while the copy is made, so each copy is of one moment;
//! what it had not fsynced is still in the kernel's memory then, and lost.

mod support;

use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use support::disk::Disk;
use support::load::Clients;
use support::verify::verify;
use support::{Dice, PATIENCE, Process, Server, folder, tell, wait_until};

/// What the control writes without an fsync.
const CONTROL: &[u8] = b"renamed into place, never put on disk";

#[test]
fn a_power_cut_takes_back_nothing_that_was_acknowledged() {
    cut_again_and_again("power cuts", 24, |_| Vec::new());
}

/// Each commit of the database on the same file system puts the names of
/// blobs on disk with it, as this one's journal is made. Here the database is
/// elsewhere, so the names have to get there by themselves.
#[test]
fn a_power_cut_on_the_disk_of_the_blobs_alone_loses_none_that_a_row_names() {
    cut_again_and_again("power cuts of blobs alone", 12, |folder| {
        let rows = folder.join("rows.db");
        vec!["--database".to_owned(), format!("sqlite:{}", rows.display())]
    });
}

/// Cuts the power under load, starts on what is left, compares, goes on.
fn cut_again_and_again(name: &str, cuts: usize, arguments: impl Fn(&Path) -> Vec<String>) {
    let began = Instant::now();
    let folder = folder();
    let mut disk = match Disk::make(folder.path()) {
        Ok(disk) => disk,
        Err(why) => return tell(&format!("skipped: {name}: {why}")),
    };
    let arguments = arguments(folder.path());
    let start = |disk: &Disk| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Server::start(&disk.path().join("data"), &arguments)
    };
    let mut dice = Dice::thrown(name);
    let clients = Clients::new();
    let ledger = &clients.ledger;
    let (mut read, mut controls_lost) = (0, 0);

    for cut in 1..=cuts {
        let mut server = start(&disk);
        read += verify(&server, ledger, true);
        let copy = clients.work_until(server.images, &mut dice, 80, || {
            write_control(disk.path(), cut);
            stop(&server.process);
            // All that any client was told by now must be in the copy.
            let copy = disk.copy(cut);
            server.process.kill();
            copy
        });
        drop(server);
        disk = disk.go_on_with(copy);
        let kept = std::fs::read(disk.path().join(format!("control-{cut}")));
        controls_lost += usize::from(!kept.is_ok_and(|kept| kept == CONTROL));
    }
    let server = start(&disk);
    read += verify(&server, ledger, true);
    drop(server);
    tell(&format!(
        "{name}: {cuts}, acknowledged changes {}, images read back {read}, keys {}, files \
         without fsync lost {controls_lost} of {cuts}, {:?} in all",
        ledger.acknowledged(),
        ledger.keys().len(),
        began.elapsed()
    ));
    assert!(ledger.acknowledged() > 10 * cuts, "the load was no load");
    assert!(controls_lost > 0, "the cuts lost nothing, so they prove nothing");
}

/// A write as careless programs make it.
fn write_control(folder: &Path, cut: usize) {
    let temporary = folder.join("control.tmp");
    let written = std::fs::write(&temporary, CONTROL)
        .and_then(|()| std::fs::rename(&temporary, folder.join(format!("control-{cut}"))));
    written.expect("the disk has room");
}

/// Stops a process, and waits until each of its threads has: one inside an
/// fsync goes on until that is done.
fn stop(process: &Process) {
    process.signal(Signal::STOP);
    let threads = format!("/proc/{}/task", process.pid());
    wait_until("all threads have stopped", PATIENCE, || {
        let threads = std::fs::read_dir(&threads).expect("a stopped process has threads");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    });
}
