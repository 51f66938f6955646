//! memcached's protocol under TLS: real processes, certificates that openssl
//! made, and a client that trusts those alone. Skipped without openssl.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::memcached::{Cellar, Talk};
use support::{PATIENCE, Process, folder, larder, wait_until};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Makes a certificate for 127.0.0.1 that signs itself, and its key.
fn certify(folder: &Path, name: &str) -> Option<[PathBuf; 2]> {
    let [certificate, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")));
    let mut command = Command::new("openssl");
    command.args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=larder".split(' '));
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    let Ok(made) = command.output() else {
        eprintln!("skipped: TLS for memcached's protocol: openssl is not installed");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some([certificate, key])
}

/// Connects and trusts one certificate; the error if that isn't the server's.
fn connect(address: SocketAddr, trusted: &Path) -> std::io::Result<Talk<Tls>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(trusted).expect("a certificate");
    roots.add(certificate).expect("can be trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = address.ip().into();
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(session, socket);
    stream.flush()?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Talk { stream: BufReader::new(stream) })
}

fn start(certificate: &Path, key: &Path) -> Cellar {
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let (certificate, key) = (text(certificate), text(key));
    Cellar::start(&["--tls-certificate", &certificate, "--tls-key", &key, "--threads", "1"])
}

#[test]
fn values_of_all_sizes_come_back_under_tls() {
    let folder = folder();
    let Some([certificate, key]) = certify(folder.path(), "own") else { return };
    let cellar = start(&certificate, &key);
    // One who never says anything holds up nobody.
    let _mute = TcpStream::connect(cellar.memcached).expect("it accepts");
    let mut talk = connect(cellar.memcached, &certificate).expect("is trusted");
    talk.expect("set a 5 0 3|abc", "STORED");
    for size in [1, 4095, 4096, 16_385, 200_000, 900_000] {
        let value: String = (0..size).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
        talk.expect(&format!("set big 0 0 {size}|{value}"), "STORED");
        // Many at once, so that what is sent is more than a socket takes.
        talk.say(&["get big"; 5].join("|"));
        for _ in 0..5 {
            assert_eq!(talk.line(), format!("VALUE big 0 {size}"));
            assert!(talk.line() == value, "another value of {size} bytes");
            assert_eq!(talk.line(), "END");
        }
    }
    talk.expect("get a", "VALUE a 5 3|abc|END");
    talk.say("quit");
    assert_eq!(talk.stream.read(&mut [0; 1]).expect("it says farewell"), 0);
}

#[test]
fn who_speaks_no_tls_is_not_understood() {
    let folder = folder();
    let Some([certificate, key]) = certify(folder.path(), "own") else { return };
    let Some([other, _]) = certify(folder.path(), "other") else { return };
    let cellar = start(&certificate, &key);
    let mut plain = Talk::to(cellar.memcached);
    plain.say("set a 0 0 1|x");
    let mut answer = Vec::new();
    let _ = plain.stream.read_to_end(&mut answer);
    assert!(!answer.windows(6).any(|part| part == b"STORED"), "{answer:?}");
    assert!(connect(cellar.memcached, &other).is_err(), "another certificate isn't its own");
    connect(cellar.memcached, &certificate).expect("is trusted").expect("get a", "END");
}

#[test]
fn a_hangup_reads_the_certificate_again() {
    let folder = folder();
    let Some([certificate, key]) = certify(folder.path(), "own") else { return };
    let Some([next, next_key]) = certify(folder.path(), "next") else { return };
    let [shown, shown_key] = ["shown.crt", "shown.key"].map(|name| folder.path().join(name));
    std::fs::copy(&certificate, &shown).expect("copies");
    std::fs::copy(&key, &shown_key).expect("copies");
    let cellar = start(&shown, &shown_key);
    let mut before = connect(cellar.memcached, &certificate).expect("is trusted");
    std::fs::copy(&next_key, &shown_key).expect("copies");
    cellar.process.signal(Signal::HUP);
    wait_until("the wrong key is told of", PATIENCE, || cellar.process.log().contains("stay"));
    connect(cellar.memcached, &certificate).expect("the old one is still shown");
    std::fs::copy(&next, &shown).expect("copies");
    cellar.process.signal(Signal::HUP);
    wait_until("the new one is shown", PATIENCE, || connect(cellar.memcached, &next).is_ok());
    assert!(connect(cellar.memcached, &certificate).is_err());
    before.expect("set a 0 0 1|x", "STORED");
}

#[test]
fn the_letters_for_tls_are_those_of_the_reference() {
    let folder = folder();
    let Some([certificate, key]) = certify(folder.path(), "own") else { return };
    let options = format!("ssl_chain_cert={},ssl_key={}", certificate.display(), key.display());
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = port.local_addr().expect("is bound");
    drop(port);
    let mut command = larder();
    command.args(["memcached", "-Z", "-o", &options, "-p", &address.port().to_string()]);
    let process = Process::spawn(&mut command);
    wait_until("it accepts", PATIENCE, || connect(address, &certificate).is_ok());
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-connect", &address.to_string()])
        .arg("-CAfile")
        .arg(&certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut said = client.stdin.take().expect("is piped");
    said.write_all(b"set a 0 0 1\r\nx\r\nget a\r\nrefresh_certs\r\nquit\r\n").expect("it reads");
    let answered = client.wait_with_output().expect("it ends");
    let answered = String::from_utf8_lossy(&answered.stdout).into_owned();
    assert_eq!(answered, "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nOK\r\n");
    drop(process);
    let missing = format!("-Z -o ssl_chain_cert={}", certificate.display());
    for wrong in
        ["-Z", &missing, "-Z -o ssl_chain_cert=/none,ssl_key=/none", "-o ssl_verify_mode=1"]
    {
        let ended = support::run(larder().arg("memcached").args(wrong.split(' ')));
        assert_eq!(ended.code, Some(64), "{wrong}: {}", ended.log);
    }
}
