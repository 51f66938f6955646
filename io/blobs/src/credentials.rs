//! Who we are to S3 and where it is, from the variables and files that every
//! S3 tool reads. Never writes a secret anywhere, and never reads a variable
//! by itself: the environment is an argument.

use std::fmt;
use std::path::PathBuf;

use ini::{Ini, ParseOption};
use object_store::aws::AmazonS3ConfigKey;

use crate::{Error, Result};

/// Tells the value of a variable. See [`process_environment`].
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The variables of this process.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// The files that could have had credentials.
    pub(crate) places: String,
}

/// How requests are signed.
#[derive(PartialEq)]
pub(crate) enum Credentials {
    /// With this key.
    Key { id: String, secret: String, token: Option<String> },
    /// With a key that the platform gives out and renews: for a web identity
    /// token, a container's or an instance's role.
    Platform(Vec<(AmazonS3ConfigKey, String)>),
}

impl fmt::Debug for Credentials {
    /// Shows which key, and never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { id, .. } => write!(f, "Key({id})"),
            Self::Platform(_) => write!(f, "Platform"),
        }
    }
}

/// The variables by which platforms say where their keys are, and what the
/// client that fetches them calls them.
const PLATFORM: [(&str, AmazonS3ConfigKey); 8] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_METADATA_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
];

/// Ways of signing in that a profile may ask for and that need Amazon's own
/// tools.
const UNSUPPORTED: [&str; 5] =
    ["role_arn", "sso_session", "sso_start_url", "credential_process", "credential_source"];

/// Looks in the order in which other S3 tools look: a profile that was named
/// in the URL, a key in variables, the profile of the files, the platform.
pub(crate) fn find(environment: Environment<'_>, profile: Option<&str>) -> Result<Account> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let files = ProfileFiles::read(&variable)?;
    let named = profile.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
    let name = named.as_deref().unwrap_or("default");
    let value = |key: &str| files.value(name, key);

    // A key in variables goes before a profile in a variable, but not before
    // one that the URL names.
    let from_variables = if profile.is_none() {
        let id = variable("AWS_ACCESS_KEY_ID");
        let secret = variable("AWS_SECRET_ACCESS_KEY");
        let token = || variable("AWS_SESSION_TOKEN");
        key("the environment", Spelling::Variable, id, secret, token)?
    } else {
        None
    };
    let credentials = match from_variables {
        Some(key) => key,
        None => {
            if named.is_some() && !files.has(name) {
                return Err(Error::Configuration(format!(
                    "there is no profile `{name}` in {}",
                    files.places()
                )));
            }
            let of_profile = format!("profile `{name}`");
            let id = value("aws_access_key_id");
            let secret = value("aws_secret_access_key");
            let token = || value("aws_session_token");
            match key(&of_profile, Spelling::File, id, secret, token)? {
                Some(key) => key,
                None => {
                    if let Some(way) = UNSUPPORTED.iter().find(|way| value(way).is_some()) {
                        return Err(Error::Configuration(format!(
                            "{of_profile} signs in by `{way}`, which larder doesn't know: put the \
                             keys that `aws configure export-credentials` prints into variables"
                        )));
                    }
                    platform(&variable, &files)?
                }
            }
        }
    };
    Ok(Account {
        credentials,
        region: variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| value("region")),
        endpoint: variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .or_else(|| value("endpoint_url")),
        places: files.places(),
    })
}

/// How a name is written in its place.
#[derive(Clone, Copy)]
enum Spelling {
    Variable,
    File,
}

/// A key, if there is one; half of one is a mistake that is worth telling.
fn key(
    place: &str,
    spelling: Spelling,
    id: Option<String>,
    secret: Option<String>,
    token: impl FnOnce() -> Option<String>,
) -> Result<Option<Credentials>> {
    let spelled = |name: &str| match spelling {
        Spelling::Variable => name.to_uppercase(),
        Spelling::File => name.to_owned(),
    };
    let missing = |there: &str, missing: &str| {
        Error::Configuration(format!("{place} has {} but not {}", spelled(there), spelled(missing)))
    };
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Credentials::Key { id, secret, token: token() })),
        (Some(_), None) => Err(missing("aws_access_key_id", "aws_secret_access_key")),
        (None, Some(_)) => Err(missing("aws_secret_access_key", "aws_access_key_id")),
        (None, None) => Ok(None),
    }
}

/// What the platform gives, if it may be asked.
fn platform(
    variable: &dyn Fn(&str) -> Option<String>,
    files: &ProfileFiles,
) -> Result<Credentials> {
    let settings: Vec<_> =
        PLATFORM.iter().filter_map(|(name, key)| Some((*key, variable(name)?))).collect();
    let is_only_the_instance =
        settings.iter().all(|(key, _)| matches!(key, AmazonS3ConfigKey::MetadataEndpoint));
    let is_off = variable("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_only_the_instance && is_off {
        return Err(missing(&files.places(), "AWS_EC2_METADATA_DISABLED is set"));
    }
    Ok(Credentials::Platform(settings))
}

/// There are no credentials, with the places that could have had them and why
/// the platform gave none.
pub(crate) fn missing(places: &str, why: &str) -> Error {
    Error::Configuration(format!(
        "there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
         write a profile into {places}, or run where the platform gives them (asked here: {why})"
    ))
}

/// The two files with profiles.
struct ProfileFiles {
    credentials: Option<(PathBuf, Ini)>,
    config: Option<(PathBuf, Ini)>,
    looked_at: Vec<PathBuf>,
}

impl ProfileFiles {
    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let home = variable("HOME").map(PathBuf::from);
        let mut looked_at = Vec::new();
        let mut file = |setting: &str, name: &str| {
            let named = variable(setting).map(|path| match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => path.into(),
            });
            let is_usual = named.is_none();
            let usual = || home.as_ref().map(|home| home.join(".aws").join(name));
            let Some(path) = named.or_else(usual) else { return Ok(None) };
            looked_at.push(path.clone());
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                // Nobody has to have the usual file; one that is named must
                // be there.
                Err(error) if is_usual && error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(None);
                }
                Err(error) => {
                    return Err(Error::Configuration(format!(
                        "can't read {}: {error}",
                        path.display()
                    )));
                }
            };
            // A secret may have any character in it.
            let plainly = ParseOption {
                enabled_quote: false,
                enabled_escape: false,
                ..ParseOption::default()
            };
            match Ini::load_from_str_opt(&text, plainly) {
                Ok(ini) => Ok(Some((path, ini))),
                // The parser's own text could repeat the line.
                Err(error) => Err(Error::Configuration(format!(
                    "{} can't be understood at line {}",
                    path.display(),
                    error.line + 1
                ))),
            }
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        let config = file("AWS_CONFIG_FILE", "config")?;
        Ok(Self { credentials, config, looked_at })
    }

    /// The sections in which a profile may stand: in `config` every name but
    /// `default` has a word before it.
    fn sections<'a>(&'a self, profile: &str) -> impl Iterator<Item = &'a ini::Properties> {
        let in_config = match profile {
            "default" => profile.to_owned(),
            _ => format!("profile {profile}"),
        };
        let credentials = self.credentials.as_ref().and_then(|(_, ini)| ini.section(Some(profile)));
        let config = self.config.as_ref().and_then(|(_, ini)| ini.section(Some(in_config)));
        credentials.into_iter().chain(config)
    }

    fn has(&self, profile: &str) -> bool {
        self.sections(profile).next().is_some()
    }

    fn value(&self, profile: &str, key: &str) -> Option<String> {
        let found = self.sections(profile).find_map(|section| section.get(key));
        found.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn places(&self) -> String {
        if self.looked_at.is_empty() {
            return "the file that AWS_SHARED_CREDENTIALS_FILE names".into();
        }
        let paths: Vec<_> = self.looked_at.iter().map(|path| path.display().to_string()).collect();
        paths.join(" or ")
    }
}

#[cfg(test)]
mod tests;
