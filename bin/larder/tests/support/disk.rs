//! A disk whose power can be cut: an ext4 file system in an image file. A copy
//! of the image holds only what the file system has pushed to its device,
//! which is what a power cut leaves. Touches no device but those that `mount`
//! picks for its own images.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Large enough for the load, small enough to copy in a moment.
const BYTES: u64 = 192 << 20;

/// The kernel writes nothing back on its own for this long: what is in the
/// image was asked for by an fsync.
const OPTIONS: &str = "loop,commit=300,nosuid,nodev,noexec";

/// A mounted disk, unmounted when this is dropped.
pub(crate) struct Disk {
    image: PathBuf,
    mounted: Mounted,
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Somebody's open file must not keep the loop device.
        if command("umount", [&self.0]).is_err() {
            let _ = command("umount", ["-l".as_ref(), self.0.as_os_str()]);
        }
    }
}

/// Runs a program of the system; an error is its own sentence.
fn command(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
) -> Result<(), String> {
    let ended = Command::new(program).args(arguments).output();
    let ended = ended.map_err(|error| format!("{program} can't be run: {error}"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}

impl Disk {
    /// A new disk; its files are in `folder`. An error says why this machine
    /// can have none.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let image = folder.join("disk-0.img");
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(BYTES).map_err(|error| error.to_string())?;
        command("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), image.as_os_str()])?;
        Self::mount(image)
    }

    fn mount(image: PathBuf) -> Result<Self, String> {
        let point = image.with_extension("mounted");
        std::fs::create_dir_all(&point).map_err(|error| error.to_string())?;
        command("mount", ["-o".as_ref(), OPTIONS.as_ref(), image.as_os_str(), point.as_os_str()])?;
        Ok(Self { image, mounted: Mounted(point) })
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted.0
    }

    /// What a power cut at this moment would leave, as an image named after
    /// `cut`. Who writes to the disk must be stopped meanwhile: the copy takes
    /// a while, and a cut is one moment.
    pub(crate) fn copy(&self, cut: usize) -> PathBuf {
        let copy = self.image.with_file_name(format!("disk-{cut}.img"));
        let arguments = ["--sparse=always".as_ref(), self.image.as_os_str(), copy.as_os_str()];
        command("cp", arguments).expect("a copy of the image fits the temporary folder");
        copy
    }

    /// Throws this disk away, with all that was never pushed to its device,
    /// and goes on with the copy. Mounting it replays its journal.
    pub(crate) fn go_on_with(self, copy: PathBuf) -> Self {
        let old = self.image.clone();
        drop(self);
        let _ = std::fs::remove_file(old);
        Self::mount(copy).expect("what a power cut leaves can be mounted")
    }
}

/// A disk in memory that is quickly full, unmounted when this is dropped.
pub(crate) struct SmallDisk(Mounted);

impl SmallDisk {
    /// A new one at `folder`. An error says why this machine can have none.
    pub(crate) fn make(folder: PathBuf, megabytes: u32) -> Result<Self, String> {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let size = format!("size={megabytes}m,mode=777,nosuid,nodev,noexec");
        let words: [&std::ffi::OsStr; 6] = [
            "-t".as_ref(),
            "tmpfs".as_ref(),
            "-o".as_ref(),
            size.as_ref(),
            "none".as_ref(),
            folder.as_ref(),
        ];
        command("mount", words)?;
        Ok(Self(Mounted(folder)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.0
    }

    /// Takes all room, however others fight for it.
    pub(crate) fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).expect("a file can be made");
        for piece in [1 << 20, 1 << 14, 1 << 12] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}
