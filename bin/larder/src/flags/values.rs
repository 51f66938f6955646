//! How the values of flags are written: addresses, sizes, names.

use std::net::SocketAddr;

use larder_images::Objective;

/// Reads an address, also of `localhost`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let text =
        text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:5000".to_owned())
}

/// Where a service of ours is.
pub(super) fn service(text: &str) -> Result<String, String> {
    let wrong = || "expected http://HOST:PORT, such as http://127.0.0.1:5001".to_owned();
    let uri: axum::http::Uri = text.parse().map_err(|_| wrong())?;
    let is_service = uri.scheme_str() == Some("http") && uri.port().is_some();
    match is_service && matches!(uri.path(), "" | "/") && uri.query().is_none() {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(wrong()),
    }
}

pub(super) fn objective(text: &str) -> Result<Objective, String> {
    larder_images::objective_from_name(text).map_err(|_| "expected objects or bytes".to_owned())
}

/// Reads a size: bytes, or a number with a unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 256MB, 1.5GB or 1048576".to_owned();
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let bytes = number * factor as f64;
    if !(0.0..=u64::MAX as f64).contains(&bytes) {
        return Err(wrong());
    }
    Ok(bytes as u64)
}

/// Reads a size that isn't zero.
pub(crate) fn capacity(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("must be more than 0".into()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("1KB", 1024),
            ("256MB", 256 << 20),
            ("1.5 GB", 3 << 29),
            ("2g", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "1 TB", "1MBs", "nan", "1e99"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(capacity("0").is_err());
    }

    #[test]
    fn addresses_may_say_localhost() {
        assert_eq!(address("localhost:80"), address("127.0.0.1:80"));
        assert!(address("5000").is_err());
    }

    #[test]
    fn a_service_is_where_http_says() {
        assert_eq!(service("http://cache.local:5001/").as_deref(), Ok("http://cache.local:5001"));
        for wrong in
            ["127.0.0.1:5001", "https://a:1", "http://a", "http://a:1/get", "http://a:1/?b"]
        {
            assert!(service(wrong).is_err(), "{wrong}");
        }
    }
}
