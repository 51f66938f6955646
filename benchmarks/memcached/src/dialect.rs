//! Requests as bytes, and how many bytes answer them.

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Memcached,
    Redis,
}

/// A key, always of the same length.
fn key(number: usize) -> String {
    format!("key:{number:08}")
}

impl Dialect {
    /// A read: what is sent, and how long the answer is.
    pub(crate) fn get(self, number: usize, size: usize, out: &mut Vec<u8>) -> usize {
        let key = key(number);
        match self {
            Self::Memcached => {
                out.extend_from_slice(format!("get {key}\r\n").as_bytes());
                format!("VALUE {key} 0 {size}\r\n").len() + size + 2 + "END\r\n".len()
            }
            Self::Redis => {
                let len = key.len();
                out.extend_from_slice(format!("*2\r\n$3\r\nGET\r\n${len}\r\n{key}\r\n").as_bytes());
                format!("${size}\r\n").len() + size + 2
            }
        }
    }

    /// A write.
    pub(crate) fn set(self, number: usize, value: &[u8], out: &mut Vec<u8>) -> usize {
        let (key, size) = (key(number), value.len());
        let (head, answer) = match self {
            Self::Memcached => (format!("set {key} 0 0 {size}\r\n"), "STORED\r\n"),
            Self::Redis => {
                let len = key.len();
                (format!("*3\r\n$3\r\nSET\r\n${len}\r\n{key}\r\n${size}\r\n"), "+OK\r\n")
            }
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
        answer.len()
    }
}
