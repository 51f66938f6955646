//! Where the rows are: the URL given by `--database`. Shows itself without
//! its password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// Where the rows are, as given by `--database`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: an embedded database in one file.
    Sqlite(PathBuf),
    /// `mariadb://…`, `mysql://…` or `postgres://…`: a server.
    Server(Box<ServerUrl>),
}

/// The kind of a database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// MariaDB 10.6 or later, MySQL 8 or later.
    MySql,
    /// PostgreSQL 12 or later.
    Postgres,
}

/// How much of the connection to a server is protected by TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// If the server offers it.
    #[default]
    Preferred,
    /// Always, whoever the server is.
    Required,
    /// Always, and the server's certificate is signed by a known authority.
    VerifyCa,
    /// Always, and the certificate is the named host's.
    VerifyFull,
}

/// A database on one of several servers.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// The kind of server.
    pub kind: ServerKind,
    /// The scheme it was written with.
    scheme: &'static str,
    /// Hosts and ports, tried in this order; empty when `socket` is set.
    pub addresses: Vec<(String, u16)>,
    /// A local socket: for PostgreSQL its folder, for MariaDB its file.
    pub socket: Option<PathBuf>,
    /// The user's name.
    pub user: Option<String>,
    /// The password, if the URL holds it.
    pub password: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The database's name.
    pub database: String,
    /// Connections at most, 1 to 1000.
    pub pool: usize,
    /// How long one read or write waits for a connection and for each answer.
    pub timeout: Duration,
    /// How long the server keeps a transaction, and the rows it holds, whose
    /// client is silent; a minute, unless whoever opens the database knows
    /// better. MySQL keeps it until the connection breaks.
    pub idle_in_transaction: Duration,
    /// TLS.
    pub tls: Tls,
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
}

const EXPECTED: &str = "expected sqlite:PATH, mariadb://USER:PASSWORD@HOST:PORT/DATABASE, mysql://… or \
     postgres://…";

const PARAMETERS: &str = "pool, timeout, tls, ca, password-file or socket";

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').ok_or(EXPECTED)?;
        let (scheme, kind) = match scheme {
            "sqlite" if rest.is_empty() => {
                return Err("sqlite: needs a file name, as in sqlite:data/larder.db".into());
            }
            "sqlite" => return Ok(Self::Sqlite(rest.trim_start_matches("//").into())),
            "mariadb" => ("mariadb", ServerKind::MySql),
            "mysql" => ("mysql", ServerKind::MySql),
            "postgres" => ("postgres", ServerKind::Postgres),
            "postgresql" => ("postgresql", ServerKind::Postgres),
            _ => return Err(EXPECTED.into()),
        };
        let rest = rest.strip_prefix("//").ok_or(EXPECTED)?;
        Ok(Self::Server(Box::new(ServerUrl::parse(scheme, kind, rest)?)))
    }
}

impl ServerUrl {
    fn parse(scheme: &'static str, kind: ServerKind, text: &str) -> Result<Self, String> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "")))
        {
            Some((user, "")) => (Some(decoded(user)?), None),
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
            None => (None, None),
        };
        let mut url = Self {
            kind,
            scheme,
            addresses: Vec::new(),
            socket: None,
            user: user.filter(|user| !user.is_empty()),
            password,
            password_file: None,
            database: decoded(database)?,
            pool: 16,
            timeout: Duration::from_secs(5),
            idle_in_transaction: Duration::from_secs(60),
            tls: Tls::default(),
            ca: None,
        };
        if url.database.is_empty() {
            return Err(format!(
                "the name of the database is missing, as in {scheme}://HOST/larder"
            ));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            url.set(name, decoded(value)?)?;
        }
        for host in hosts.split(',').filter(|host| !host.is_empty()) {
            url.addresses.push(address(host, kind)?);
        }
        match (url.addresses.is_empty(), &url.socket) {
            (true, None) => url.addresses.push(address("localhost", kind)?),
            (false, Some(_)) => return Err("give hosts or a socket, not both".into()),
            _ => {}
        }
        Ok(url)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let wrong = |expected: &str| format!("{name}={value}: expected {expected}");
        match name {
            "pool" => {
                let pool = value.parse().ok().filter(|pool| (1..=1000).contains(pool));
                self.pool = pool.ok_or_else(|| wrong("a number of connections, 1 to 1000"))?;
            }
            "timeout" => {
                let seconds = value.parse().ok().filter(|s| (0.1..=3600.0).contains(s));
                let seconds = seconds.ok_or_else(|| wrong("seconds, 0.1 to 3600"))?;
                self.timeout = Duration::from_secs_f64(seconds);
            }
            "tls" => {
                self.tls = match value.as_str() {
                    "off" => Tls::Off,
                    "preferred" => Tls::Preferred,
                    "required" => Tls::Required,
                    "verify-ca" => Tls::VerifyCa,
                    "verify-full" => Tls::VerifyFull,
                    _ => {
                        return Err(wrong("off, preferred, required, verify-ca or verify-full"));
                    }
                };
            }
            "ca" => self.ca = Some(value.into()),
            "password-file" => self.password_file = Some(value.into()),
            "socket" => self.socket = Some(value.into()),
            _ => return Err(format!("{name} is no parameter; there are {PARAMETERS}")),
        }
        Ok(())
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("{text:?} is not UTF-8 when decoded"))
}

/// `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
fn address(text: &str, kind: ServerKind) -> Result<(String, u16), String> {
    let port = match kind {
        ServerKind::MySql => 3306,
        ServerKind::Postgres => 5432,
    };
    let (host, given) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    match given.map(str::parse) {
        None => Ok((host.to_owned(), port)),
        Some(Ok(port)) => Ok((host.to_owned(), port)),
        Some(Err(_)) => Err(format!("{text}: expected HOST:PORT")),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        for (n, (host, port)) in self.addresses.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            if host.contains(':') {
                write!(f, "{comma}[{host}]:{port}")?;
            } else {
                write!(f, "{comma}{host}:{port}")?;
            }
        }
        write!(f, "/{}", self.database)?;
        match &self.socket {
            Some(socket) => write!(f, "?socket={}", socket.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        match text.parse() {
            Ok(DatabaseUrl::Server(url)) => *url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_url_names_servers_login_and_limits() {
        let url = server(
            "mariadb://lar%40der:s%2Fcret@one:3307,[::1],three/books?pool=3&timeout=1.5&tls=verify-full&ca=/etc/ca.pem",
        );
        assert_eq!(url.kind, ServerKind::MySql);
        let addresses = [("one", 3307), ("::1", 3306), ("three", 3306)];
        assert_eq!(url.addresses, addresses.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(url.user.as_deref(), Some("lar@der"));
        assert_eq!(url.password.as_deref(), Some("s/cret"));
        assert_eq!((url.database.as_str(), url.pool), ("books", 3));
        assert_eq!((url.timeout, url.tls), (Duration::from_millis(1500), Tls::VerifyFull));
        assert_eq!(url.to_string(), "mariadb://lar@der@one:3307,[::1]:3306,three:3306/books");
        assert!(!format!("{url:?}").contains("cret"), "the password is never shown");

        let url = server("postgres:///larder?socket=/run/postgresql&password-file=/secret");
        assert_eq!(url.socket, Some("/run/postgresql".into()));
        assert_eq!(url.password_file, Some("/secret".into()));
        assert!(url.addresses.is_empty());
        assert_eq!(server("postgresql:///larder").addresses, [("localhost".to_owned(), 5432)]);
    }

    #[test]
    fn a_url_says_what_is_wrong_with_it() {
        assert_eq!("sqlite:a/b.db".parse(), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
        for (text, complaint) in [
            ("sqlite:", "needs a file name"),
            ("oracle://x/y", "expected sqlite:PATH"),
            ("larder.db", "expected sqlite:PATH"),
            ("postgres:larder", "expected sqlite:PATH"),
            ("postgres://host", "the name of the database is missing"),
            ("postgres://host:port/larder", "host:port: expected HOST:PORT"),
            ("mysql://host/larder?pool=0", "pool=0: expected a number of connections, 1 to 1000"),
            ("mysql://host/larder?timeout=soon", "timeout=soon: expected seconds"),
            ("mysql://host/larder?tls=maybe", "tls=maybe: expected off, preferred"),
            ("mysql://host/larder?charset=latin1", "charset is no parameter; there are pool"),
            ("mysql://host/larder?socket=/x", "give hosts or a socket, not both"),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err(text);
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
