//! What the user is told when a store in S3 can't be opened.

use std::path::Path;

use larder_blobs::{BlobsUrl, Error, Result, open};
use larder_servers::{FaultProxy, Mode, S3Server, free_port};

use crate::stage::{bytes, open_s3, put};

/// The sentence of a refusal, in which there must be no secret.
async fn refusal(url: &str, environment: &(dyn Fn(&str) -> Option<String> + Sync)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let url: BlobsUrl = url.parse().expect("it is an address");
    let error = open(&url, folder.path(), true, environment).await.err().expect("is refused");
    let text = format!("{error} {error:?}");
    for secret in [S3Server::SECRET_KEY, "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
    error.to_string()
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_refuses_is_named_with_its_server() {
    let Some(server) = S3Server::start() else { return };
    server.make_bucket("bucket");
    let url = |bucket: &str| format!("{}&timeout=1", server.url(bucket));
    let absent = refusal(&url("absent"), &S3Server::environment).await;
    assert!(absent.contains(&format!("the bucket absent at {}", server.endpoint())), "{absent}");
    assert!(absent.ends_with("doesn't exist"), "{absent}");

    for (id, secret) in [("nobody", S3Server::SECRET_KEY), (S3Server::ACCESS_KEY, "hunter2")] {
        let environment = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some(id.into()),
            "AWS_SECRET_ACCESS_KEY" => Some(secret.into()),
            _ => None,
        };
        let denied = refusal(&url("bucket"), &environment).await;
        let place = format!("access to the bucket bucket at {} is denied", server.endpoint());
        assert!(denied.contains(&place), "{denied}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let refused =
        refusal(&format!("s3://b?endpoint={nobody}&timeout=0.5"), &S3Server::environment).await;
    assert!(refused.contains(&format!("the bucket b at {nobody}")), "{refused}");
    assert!(refused.contains("can't connect"), "{refused}");

    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(&server.address());
    proxy.set(Mode::Silence);
    let silent = refusal(&format!("{}&timeout=0.5", proxy.url("b")), &S3Server::environment).await;
    assert!(silent.contains(&proxy.endpoint()) && silent.contains("no answer within"), "{silent}");

    // A server that doesn't speak TLS; what counts is that we do.
    let secure = server.endpoint().replace("http:", "https:");
    let refused =
        refusal(&format!("s3://b?endpoint={secure}&timeout=2"), &S3Server::environment).await;
    assert!(refused.contains(&secure) && refused.contains("can't connect"), "{refused}");
}

#[tokio::test]
async fn without_credentials_the_places_for_them_are_told() {
    let home = tempfile::tempdir().expect("a folder");
    let place = home.path().display().to_string();
    let url = "s3://bucket?endpoint=http://127.0.0.1:9&timeout=0.5";
    let platform = format!("http://127.0.0.1:{}", free_port());
    for (name, value) in
        [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_METADATA_ENDPOINT", &platform)]
    {
        let environment = |asked: &str| match asked {
            "HOME" => Some(place.clone()),
            _ if asked == name => Some(value.into()),
            _ => None,
        };
        let missing = refusal(url, &environment).await;
        assert!(missing.contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{missing}");
        assert!(missing.contains(&format!("{place}/.aws/credentials")), "{missing}");
    }
}

#[tokio::test]
async fn a_store_is_found_by_what_the_usual_files_say() {
    let Some(server) = S3Server::start() else { return };
    server.make_bucket("bucket");
    let home = tempfile::tempdir().expect("a folder");
    let aws = home.path().join(".aws");
    std::fs::create_dir(&aws).expect("makes a folder");
    let key = format!(
        "[shop]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY
    );
    std::fs::write(aws.join("credentials"), key).expect("writes");
    let config =
        format!("[profile shop]\nregion = eu-north-1\nendpoint_url = {}/\n", server.endpoint());
    std::fs::write(aws.join("config"), config).expect("writes");

    let place = home.path().display().to_string();
    let url: BlobsUrl = "s3://bucket?profile=shop".parse().expect("it is an address");
    let environment = |name: &str| (name == "HOME").then(|| place.clone());
    let store = open(&url, home.path(), true, &environment).await.expect("opens");
    let id = put(&*store, &bytes(1)).await.expect("puts");
    assert_eq!(store.get(&id).await.expect("gets"), bytes(1));
}

#[tokio::test]
async fn stores_in_one_bucket_with_other_prefixes_do_not_see_each_other() {
    let Some(server) = S3Server::start() else { return };
    server.make_bucket("bucket");
    let folder = tempfile::tempdir().expect("a folder");
    let open = async |prefix: &str| -> Result<_> {
        let url = server.url("bucket").replace('?', &format!("{prefix}?"));
        open_s3(&url, folder.path()).await
    };
    let (whole, a, ab) = (open("").await, open("/a").await, open("/a/b").await);
    let (whole, a, ab) = (whole.expect("opens"), a.expect("opens"), ab.expect("opens"));
    let id = put(&*ab, &bytes(5)).await.expect("puts");
    assert!(matches!(a.get(&id).await, Err(Error::NotFound(_))));
    assert!(matches!(whole.get(&id).await, Err(Error::NotFound(_))));
    assert_eq!(a.list(id.shard()).await.expect("lists"), []);
    assert_eq!(whole.list(id.shard()).await.expect("lists"), []);
    assert_eq!(ab.list(id.shard()).await.expect("lists"), [id]);
    assert!(Path::new(&server.root().join("bucket/a/b").join(id.to_string())).exists());
}
