//! The address of a blob store, as the user writes it: `file:PATH` or
//! `s3://BUCKET/PREFIX?…`. Never holds a secret: one that is written into it
//! is refused without being repeated.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ::url::Url;

/// How long a store may say nothing before that is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of a blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobsUrl {
    /// A folder.
    Files(PathBuf),
    /// A bucket, or a part of one.
    S3(S3Url),
}

/// Where in S3, and how to get there. What isn't said comes from the usual
/// variables and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Url {
    pub(crate) bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub(crate) prefix: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) addressing: Option<Addressing>,
    pub(crate) timeout: Option<Duration>,
}

/// Where the bucket's name stands in the address of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addressing {
    /// `https://endpoint/bucket/…`, which every store understands.
    Path,
    /// `https://bucket.endpoint/…`, which Amazon prefers.
    Virtual,
}

/// Why a text is no address of a blob store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotABlobsUrl(String);

impl S3Url {
    /// How long the store may say nothing before that is an error.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout.unwrap_or(PATIENCE)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials don't belong into the URL: set AWS_ACCESS_KEY_ID and \
                        AWS_SECRET_ACCESS_KEY, or name a `profile`"
                .into());
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
        let bucket = bucket.ok_or("the bucket is missing: write s3://BUCKET")?;
        if url.port().is_some() || url.fragment().is_some() {
            return Err("after s3: comes the bucket, not a server; the server is given as \
                        s3://BUCKET?endpoint=URL"
                .into());
        }
        if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Err(format!("`{bucket}` can't be the name of a bucket"));
        }
        let prefix = url.path().trim_matches('/');
        // Other characters have several spellings in URLs and signatures.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=".contains(&byte);
        if !prefix.bytes().all(is_plain)
            || prefix.split('/').any(|part| part.is_empty() != prefix.is_empty())
        {
            return Err(format!(
                "the prefix `{prefix}` may have letters, digits and ._-= between single slashes"
            ));
        }
        let mut location = Self {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: None,
            region: None,
            profile: None,
            addressing: None,
            timeout: None,
        };
        for (name, value) in url.query_pairs() {
            location.set(&name, &value)?;
        }
        Ok(location)
    }

    /// Takes one parameter in.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let is_repeated = match name {
            "endpoint" => self.endpoint.replace(endpoint(value)?).is_some(),
            "region" => self.region.replace(word(name, value)?).is_some(),
            "profile" => self.profile.replace(word(name, value)?).is_some(),
            "addressing" => {
                let addressing = match value {
                    "path" => Addressing::Path,
                    "virtual" => Addressing::Virtual,
                    _ => return Err("`addressing` is `path` or `virtual`".into()),
                };
                self.addressing.replace(addressing).is_some()
            }
            "timeout" => {
                let seconds: f64 = value.parse().unwrap_or(f64::NAN);
                if !(0.1..=600.0).contains(&seconds) {
                    return Err("`timeout` is a number of seconds from 0.1 to 600".into());
                }
                self.timeout.replace(Duration::from_secs_f64(seconds)).is_some()
            }
            // The value could be a secret, so it isn't repeated.
            _ => {
                return Err(format!(
                    "there is no parameter `{name}`: there are endpoint, region, profile, \
                     addressing and timeout"
                ));
            }
        };
        if is_repeated { Err(format!("`{name}` is there twice")) } else { Ok(()) }
    }
}

/// A name of a region or a profile.
fn word(name: &str, value: &str) -> Result<String, String> {
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err(format!("`{name}` has no value"));
    }
    Ok(value.into())
}

/// The address of an S3 server, without a slash at its end.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let refused = |why: &str| format!("the endpoint must be http://HOST or https://HOST: {why}");
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("it begins otherwise"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("credentials don't belong into it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("nothing may follow its path (write & as %26 within it)"));
    }
    Ok(url.as_str().trim_end_matches('/').into())
}

impl FromStr for BlobsUrl {
    type Err = NotABlobsUrl;

    fn from_str(text: &str) -> Result<Self, NotABlobsUrl> {
        if let Some(path) = text.strip_prefix("file:") {
            // `file:///mnt/x` is the long way to write `file:/mnt/x`.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            return match path {
                "" => Err(NotABlobsUrl("the path is missing: write file:PATH".into())),
                _ if path.starts_with("//") => Err(NotABlobsUrl(
                    "files on another machine must be mounted: write file:PATH".into(),
                )),
                _ => Ok(Self::Files(path.into())),
            };
        }
        if text.starts_with("s3:") {
            return S3Url::parse(text).map(Self::S3).map_err(NotABlobsUrl);
        }
        Err(NotABlobsUrl("blobs are kept at file:PATH or s3://BUCKET/PREFIX?endpoint=URL".into()))
    }
}

impl fmt::Display for BlobsUrl {
    /// As it would be written. There is nothing secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(path) => write!(f, "file:{}", path.display()),
            Self::S3(location) => location.fmt(f),
        }
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let addressing = self.addressing.map(|addressing| match addressing {
            Addressing::Path => "path".to_owned(),
            Addressing::Virtual => "virtual".to_owned(),
        });
        let timeout = self.timeout.map(|timeout| timeout.as_secs_f64().to_string());
        let parameters = [
            ("endpoint", &self.endpoint),
            ("region", &self.region),
            ("profile", &self.profile),
            ("addressing", &addressing),
            ("timeout", &timeout),
        ];
        let mut between = '?';
        for (name, value) in parameters {
            if let Some(value) = value {
                let value = value.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
                write!(f, "{between}{name}={}", value.replace('#', "%23").replace(' ', "%20"))?;
                between = '&';
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in [
            "file:/mnt/x",
            "file:blobs",
            "s3://pictures",
            "s3://my.bucket/a/b=1?endpoint=https://s3.example.org:9000",
            "s3://p/x?endpoint=http://127.0.0.1:9000&region=eu-north-1&profile=shop&addressing=virtual&timeout=2.5",
            "s3://p?profile=a%20%26%2Bb",
        ] {
            let url: BlobsUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), text);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
        assert_eq!("file:///mnt/x".parse(), Ok(BlobsUrl::Files("/mnt/x".into())));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, expected) in [
            ("", "file:PATH or s3://BUCKET"),
            ("/mnt/x", "file:PATH or s3://BUCKET"),
            ("gs://bucket", "file:PATH or s3://BUCKET"),
            ("file:", "the path is missing"),
            ("file://server/share", "must be mounted"),
            ("s3:", "the bucket is missing"),
            ("s3:///prefix", "the bucket is missing"),
            ("s3://server:9000/bucket", "s3://BUCKET?endpoint=URL"),
            ("s3://bu%20cket", "can't be the name of a bucket"),
            ("s3://b/../../x//y", "between single slashes"),
            ("s3://b/a%2Fb", "may have letters"),
            ("s3://b?regoin=x", "no parameter `regoin`: there are endpoint, region, profile,"),
            ("s3://b?region=a&region=b", "`region` is there twice"),
            ("s3://b?region=", "`region` has no value"),
            ("s3://b?endpoint=localhost:9000", "http://HOST or https://HOST"),
            ("s3://b?endpoint=ftp://x", "http://HOST or https://HOST"),
            ("s3://b?addressing=dns", "`path` or `virtual`"),
            ("s3://b?timeout=soon", "from 0.1 to 600"),
            ("s3://b?timeout=0", "from 0.1 to 600"),
            ("s3://b?timeout=inf", "from 0.1 to 600"),
        ] {
            let refusal = text.parse::<BlobsUrl>().expect_err(text).to_string();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "s3://AKIA:hunter2@bucket",
            "s3://bucket?secret_access_key=hunter2",
            "s3://bucket?endpoint=https://AKIA:hunter2@example.org",
            "s3://bucket?endpoint=https://example.org?key=hunter2",
        ] {
            let refusal = text.parse::<BlobsUrl>().expect_err(text);
            assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal}");
        }
    }
}
