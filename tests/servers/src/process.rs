//! A server as a process of its own, that never outlives the test: a small
//! shell script holds a pipe from us, and when the pipe closes, because we
//! ended in whatever way, it ends the server.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the server, tells its process id, waits for the pipe to close, and
/// ends it: politely, and after five seconds otherwise.
const SUPERVISE: &str = r#"
"$@" </dev/null >"$LARDER_SERVER_LOG" 2>&1 &
server=$!
echo "$server"
exec >/dev/null
while read -r _; do :; done
kill -TERM "$server" 2>/dev/null
kill -CONT "$server" 2>/dev/null
tries=0
while kill -0 "$server" 2>/dev/null && [ "$tries" -lt 250 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// How much of a log is shown when a server doesn't come up.
const TAIL_BYTES: usize = 4000;

/// A running server. Dropping it ends it and waits until it is gone.
pub struct Supervised {
    name: String,
    pid: Pid,
    log: PathBuf,
    script: Child,
    /// Closing this ends the server.
    pipe: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `command` (its program, arguments, folder and variables) with
    /// its output in the file `log`.
    ///
    /// # Panics
    /// There is no shell.
    pub fn start(command: &Command, log: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISE, "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(variable, value),
                None => shell.env_remove(variable),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        // Ctrl-C in a terminal reaches everybody in our group; the script has
        // to live a little longer than we do.
        shell.process_group(0).env("LARDER_SERVER_LOG", log);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = shell.spawn().expect("a shell starts");
        let pipe = script.stdin.take();
        let mut line = String::new();
        let output = script.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the shell tells the process id");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("{name} has no process id but {line:?}"));
        Self { name, pid, log: log.into(), script, pipe }
    }

    /// The server's own process id, for signals.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends the server a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the server runs");
    }

    /// Waits until `is_up`, and shows what the server had to say if it isn't
    /// in time or has ended.
    ///
    /// # Panics
    /// Then.
    pub fn wait_until_up(&self, deadline: Duration, mut is_up: impl FnMut() -> bool) {
        let end = Instant::now() + deadline;
        while !is_up() {
            assert!(
                self.is_running() && Instant::now() < end,
                "{} didn't come up:\n{}",
                self.name,
                self.log_tail()
            );
            pause();
        }
    }

    /// Whether the process is there. One that has ended stays known until its
    /// script has noticed.
    pub fn is_running(&self) -> bool {
        !matches!(state(self.pid), None | Some('Z'))
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL_BYTES)..]).into_owned()
    }

    /// Ends the server without warning, as a crash would, and waits until it
    /// is gone.
    pub fn kill(&mut self) {
        if self.pipe.is_some() {
            // It may have ended by itself.
            let _ = kill_process(self.pid, Signal::KILL);
        }
        self.stop();
    }

    /// Ends the server politely and waits until it is gone.
    pub fn stop(&mut self) {
        self.pipe = None;
        let _ = self.script.wait();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a process does, as a letter: `T` stands still, `Z` has ended; `None` if
/// there is no such process.
pub fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // It comes after the name, which is in brackets.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A port of the loopback address that nobody uses now.
///
/// # Panics
/// There is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Waits until `condition`; `what` says what was expected of it.
///
/// # Panics
/// It doesn't come true before the deadline.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {deadline:?}");
        pause();
    }
}

/// Between two looks.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

/// The program `name`, on the path or in one of `folders`.
pub(crate) fn find_program(name: &str, folders: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(folders.iter().map(PathBuf::from));
    places.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Makes an empty log, so that its place is known to be writable.
pub(crate) fn empty_log(folder: &Path, name: &str) -> PathBuf {
    let log = folder.join(name);
    File::create(&log).expect("the log can be written");
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(pid: Pid) -> bool {
        Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()
    }

    fn sleeping(folder: &Path) -> Supervised {
        let mut command = Command::new("sleep");
        command.arg("1000");
        Supervised::start(&command, &folder.join("log"))
    }

    #[test]
    fn a_server_ends_with_its_keeper() {
        let folder = tempfile::tempdir().expect("a folder");
        for end in [Supervised::kill, Supervised::stop, |_: &mut _| ()] {
            let mut server = sleeping(folder.path());
            let pid = server.pid();
            server.wait_until_up(Duration::from_secs(5), || is_there(pid));
            end(&mut server);
            drop(server);
            assert!(!is_there(pid));
        }
    }

    #[test]
    fn a_server_that_does_not_listen_to_reason_is_gone_when_the_pipe_closes() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = sleeping(folder.path());
        let pid = server.pid();
        kill_process(pid, Signal::STOP).expect("stops it");
        server.wait_until_up(Duration::from_secs(5), || is_there(pid));
        // What remains of us after a kill: a pipe with nobody at our end.
        drop(server.pipe.take());
        wait_until("the server is gone", Duration::from_secs(20), || !is_there(pid));
    }

    #[test]
    #[should_panic(expected = "no such server")]
    fn a_server_that_does_not_come_up_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such server"]);
        let server = Supervised::start(&command, &empty_log(folder.path(), "log"));
        server.wait_until_up(Duration::from_secs(20), || false);
    }
}
