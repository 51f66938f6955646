//! Which account is found, from which variables and files.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

const CREDENTIALS: &str = r#"
[default]
aws_access_key_id = ID-DEFAULT
aws_secret_access_key = a+b/c=#"\x

# somebody else's
[shop]
aws_access_key_id=ID-SHOP
aws_secret_access_key=shop-secret
aws_session_token=shop-token
[half]
aws_access_key_id = ID-HALF
"#;

const CONFIG: &str = r"
[default]
region = eu-north-1
[profile shop]
region = eu-west-3
endpoint_url = https://s3.shop.example
s3 =
  addressing_style = path
[profile sign-on]
sso_session = company
";

/// A home with the two files.
struct Home(tempfile::TempDir);

impl Home {
    fn furnished() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let aws = home.path().join(".aws");
        std::fs::create_dir(&aws).expect("makes a folder");
        std::fs::write(aws.join("credentials"), CREDENTIALS).expect("writes");
        std::fs::write(aws.join("config"), CONFIG).expect("writes");
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What is found with these variables and a URL that names `profile`.
    fn find(&self, profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Account> {
        let home = self.path().display().to_string();
        let mut variables: BTreeMap<_, _> = variables.iter().copied().collect();
        variables.entry("HOME").or_insert(&home);
        find(&|name| variables.get(name).map(|value| (*value).to_owned()), profile)
    }

    fn refusal(&self, profile: Option<&str>, variables: &[(&str, &str)]) -> String {
        let refusal = self.find(profile, variables).expect_err("is refused");
        assert!(matches!(refusal, Error::Configuration(_)), "{refusal:?}");
        refusal.to_string()
    }
}

fn key(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::Key { id: id.into(), secret: secret.into(), token: token.map(Into::into) }
}

const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ID"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[test]
fn a_key_in_variables_goes_before_the_files_but_not_before_a_named_profile() {
    let home = Home::furnished();
    let account = home.find(None, &KEY).expect("finds");
    assert_eq!(account.credentials, key("ID", "secret", None));
    let [id, secret] = KEY;
    let token = ("AWS_SESSION_TOKEN", "token");
    let account = home.find(None, &[id, secret, token, ("AWS_PROFILE", "shop")]).expect("finds");
    assert_eq!(account.credentials, key("ID", "secret", Some("token")));
    assert_eq!(account.region.as_deref(), Some("eu-west-3"));

    let account = home.find(Some("shop"), &KEY).expect("finds");
    assert_eq!(account.credentials, key("ID-SHOP", "shop-secret", Some("shop-token")));
}

#[test]
fn profiles_are_read_as_other_tools_read_them() {
    let home = Home::furnished();
    let account = home.find(None, &[]).expect("finds");
    assert_eq!(account.credentials, key("ID-DEFAULT", r#"a+b/c=#"\x"#, None));
    assert_eq!((account.region.as_deref(), account.endpoint), (Some("eu-north-1"), None));

    let account = home.find(None, &[("AWS_PROFILE", "shop")]).expect("finds");
    assert_eq!(account.credentials, key("ID-SHOP", "shop-secret", Some("shop-token")));
    assert_eq!(account.region.as_deref(), Some("eu-west-3"));
    assert_eq!(account.endpoint.as_deref(), Some("https://s3.shop.example"));
}

#[test]
fn files_may_be_elsewhere() {
    let (home, other) = (Home::furnished(), Home::furnished());
    let credentials = other.path().join("keys");
    std::fs::write(&credentials, CREDENTIALS.replace("ID-", "OTHER-")).expect("writes");
    std::fs::write(home.path().join("settings"), CONFIG.replace("eu-", "us-")).expect("writes");
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().expect("is text")),
        ("AWS_CONFIG_FILE", "~/settings"),
    ];
    let account = home.find(Some("shop"), &variables).expect("finds");
    assert_eq!(account.credentials, key("OTHER-SHOP", "shop-secret", Some("shop-token")));
    assert_eq!(account.region.as_deref(), Some("us-west-3"));
    let refusal = home.refusal(None, &[("AWS_CONFIG_FILE", "/nowhere/config")]);
    assert!(refusal.contains("can't read /nowhere/config"), "{refusal}");
}

#[test]
fn variables_go_before_files_for_region_and_endpoint_and_empty_ones_do_not_count() {
    let home = Home::furnished();
    let region = |variables: &[_]| home.find(Some("shop"), variables).expect("finds").region;
    let (first, second) = (("AWS_REGION", "one"), ("AWS_DEFAULT_REGION", "two"));
    assert_eq!(region(&[first, second]).as_deref(), Some("one"));
    assert_eq!(region(&[second, ("AWS_REGION", "")]).as_deref(), Some("two"));
    let endpoint = |variables: &[_]| home.find(Some("shop"), variables).expect("finds").endpoint;
    let (all, s3) = (("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_S3", "http://s3"));
    assert_eq!(endpoint(&[all, s3]).as_deref(), Some("http://s3"));
    assert_eq!(endpoint(&[all]).as_deref(), Some("http://all"));
}

#[test]
fn the_platform_is_asked_when_there_is_no_key() {
    let home = Home(tempfile::tempdir().expect("a folder"));
    let account = home.find(None, &[]).expect("finds");
    assert_eq!(account.credentials, Credentials::Platform(vec![]));
    let variables = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn")];
    let platform = Credentials::Platform(vec![
        (AmazonS3ConfigKey::WebIdentityTokenFile, "/token".into()),
        (AmazonS3ConfigKey::RoleArn, "arn".into()),
    ]);
    let off = ("AWS_EC2_METADATA_DISABLED", "true");
    let [token, role] = variables;
    assert_eq!(home.find(None, &[token, role, off]).expect("finds").credentials, platform);
    let refusal = home.refusal(None, &[off]);
    let place = home.path().join(".aws/credentials").display().to_string();
    assert!(refusal.contains("set AWS_ACCESS_KEY_ID") && refusal.contains(&place), "{refusal}");
}

#[test]
fn what_is_missing_is_named_and_secrets_are_not() {
    let home = Home::furnished();
    for (profile, variables, expected) in [
        (None, &KEY[..1], "the environment has AWS_ACCESS_KEY_ID but not AWS_SECRET_ACCESS_KEY"),
        (None, &KEY[1..], "the environment has AWS_SECRET_ACCESS_KEY but not AWS_ACCESS_KEY_ID"),
        (Some("half"), &[][..], "profile `half` has aws_access_key_id but not aws_secret_access"),
        (Some("absent"), &KEY[..], "there is no profile `absent` in "),
        (None, &[("AWS_PROFILE", "absent")], "there is no profile `absent` in "),
        (Some("sign-on"), &[], "profile `sign-on` signs in by `sso_session`"),
    ] {
        let refusal = home.refusal(profile, variables);
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains("secret "), "{refusal}");
    }
    let broken = home.path().join("broken");
    std::fs::write(&broken, "[default]\naws_secret_access_key hunter2\n").expect("writes");
    let path = broken.display().to_string();
    let refusal = home.refusal(None, &[("AWS_SHARED_CREDENTIALS_FILE", &path)]);
    assert!(refusal.contains("broken can't be understood"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");

    let shown = format!("{:?}", home.find(Some("shop"), &[]).expect("finds"));
    assert!(shown.contains("ID-SHOP") && !shown.contains("shop-secret"), "{shown}");
    assert!(!shown.contains("shop-token"), "{shown}");
}
