//! Rules that take time or a restart to show: settings that stay, statistics
//! that move on, recovery.

use larder_cache::Objective;
use larder_clock::{ManualClock, Timestamp};
use larder_picture::{Format, Variant, samples};

use super::*;
use crate::model::{InvalidCapacity, MEGABYTE, Settings, machine_memory_bytes};

/// Noon of a day, so that minutes are whole.
const START: Timestamp = Timestamp(1_800_000_000_000_000);

fn config(folder: &std::path::Path) -> Config {
    Config {
        data: folder.to_path_buf(),
        database: None,
        blobs: None,
        mem_cache: None,
        cluster: None,
        defaults: Settings {
            capacity_bytes: 8 * MEGABYTE,
            policy: "lru".parse().expect("a policy"),
            objective: Objective::Objects,
            autopilot: false,
        },
        max_upload_bytes: MEGABYTE,
        limits: larder_picture::Limits::default(),
        min_free_bytes: 0,
        classic_key_as_list: false,
    }
}

async fn open(folder: &std::path::Path) -> (Images, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    let images = Images::open(config(folder), clock.clone(), Shutdown::default()).await;
    (images.expect("opens"), clock)
}

async fn upload(images: &Images, key: &str, seed: u64) {
    let mut incoming = images.begin_upload(None).expect("begins");
    let file = samples::photo(Format::Jpeg, 64, 48, seed);
    incoming.write(file.into()).await.expect("arrives");
    let key = key.parse().expect("a key");
    images.finish_upload(key, incoming, Precondition::None).await.expect("is stored");
}

async fn get(images: &Images, key: &str) -> Source {
    images.get(&key.parse().expect("a key")).await.expect("is there").source
}

#[tokio::test]
async fn settings_take_effect_at_once_and_are_kept_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, _) = open(folder.path()).await;
    upload(&images, "a", 1).await;
    get(&images, "a").await;
    let chosen = Settings {
        capacity_bytes: MEGABYTE / 2,
        policy: "s3-fifo".parse().expect("a policy"),
        objective: Objective::Bytes,
        autopilot: true,
    };
    images.configure(chosen).await.expect("is accepted");
    assert_eq!(images.settings(), chosen);
    assert_eq!(get(&images, "a").await, Source::Memory, "what fits is kept");

    let memory = machine_memory_bytes();
    for (capacity_bytes, reason) in [
        (0, InvalidCapacity::NotPositive),
        (memory + 1, InvalidCapacity::MoreThanMemory(memory / MEGABYTE)),
    ] {
        let refused = images.configure(Settings { capacity_bytes, ..chosen }).await;
        assert!(matches!(refused, Err(Error::InvalidCapacity(why)) if why == reason));
        assert_eq!(images.settings(), chosen, "nothing changed");
    }
    let sieve = "sieve".parse().expect("a policy");
    images.change_policy(sieve).await.expect("is accepted");
    let chosen = Settings { policy: sieve, ..chosen };
    assert_eq!(images.settings(), chosen, "and nothing else changed");
    images.close().await;
    drop(images);

    let (images, _) = open(folder.path()).await;
    assert_eq!(images.settings(), chosen);
    assert_eq!(images.tier().cache_stats().objective, Objective::Bytes);
    images.reset_settings().await.expect("resets");
    assert_eq!(images.settings(), images.default_settings());
    images.close().await;
    drop(images);
    let (images, _) = open(folder.path()).await;
    assert_eq!(images.settings(), images.default_settings(), "the defaults are kept too");
}

#[tokio::test]
async fn lru_keeps_what_was_used_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, _) = open(folder.path()).await;
    for (seed, key) in ["a", "b", "c"].into_iter().enumerate() {
        upload(&images, key, seed as u64).await;
        get(&images, key).await;
    }
    // Room for what is there and half an image more.
    let held = images.tier().cache_stats().weight_bytes;
    let settings = Settings { capacity_bytes: held + held / 6, ..images.settings() };
    images.configure(settings).await.expect("fits");
    assert_eq!(get(&images, "a").await, Source::Memory);
    upload(&images, "d", 9).await;
    get(&images, "d").await;
    let in_memory =
        ["a", "b", "c", "d"].map(|key| images.is_in_memory(&key.parse().expect("a key")));
    assert_eq!(in_memory, [true, false, true, true], "b was used longest ago");
}

#[tokio::test]
async fn statistics_say_what_happened_in_the_last_ten_minutes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, clock) = open(folder.path()).await;
    upload(&images, "a", 1).await;
    for _ in 0..4 {
        get(&images, "a").await;
    }
    let watch = images.watch_samples();
    images.take_sample(0, false).await.expect("is stored");
    assert!(watch.has_changed().expect("is watched"));
    let summary = images.summary();
    assert_eq!((summary.requests, summary.hits, summary.misses), (4, 3, 1));
    assert_eq!((summary.hit_rate, summary.miss_rate), (Some(0.75), Some(0.25)));
    assert_eq!((summary.items, summary.evictions), (1, 0));
    assert!(summary.hit_ns_mean > 0 && summary.hit_ns_p99 >= summary.hit_ns_mean);
    assert!(summary.miss_ns_mean > summary.hit_ns_mean);

    let samples = images.samples(View::TenMinutes).await.expect("reads");
    assert_eq!(samples.len(), 1);
    assert_eq!((samples[0].at, samples[0].requests), (START.seconds(), 4));

    clock.advance_seconds(601);
    assert_eq!(images.summary().requests, 0, "it was longer ago");
    assert_eq!(images.summary().hit_rate, None);
    assert!(images.samples(View::TenMinutes).await.expect("reads").is_empty());
    assert_eq!(images.samples(View::Hour).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn an_image_whose_bytes_are_gone_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, _) = open(folder.path()).await;
    upload(&images, "a", 1).await;
    let (image, _) = images.describe(&"a".parse().expect("a key")).await.expect("is there");
    images.close().await;
    drop(images);
    let file = folder.path().join("blobs").join(image.location.to_string());
    std::fs::remove_file(file).expect("removes");
    let clock = Arc::new(ManualClock::new(START));
    let opened = Images::open(config(folder.path()), clock, Shutdown::default()).await;
    let refusal = opened.err().expect("is refused").to_string();
    assert!(refusal.contains("1 image(s) have lost their bytes"), "{refusal}");
}

#[tokio::test]
async fn blobs_without_a_row_are_removed_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, _) = open(folder.path()).await;
    upload(&images, "a", 1).await;
    let mut spool = images.shared.blobs.spool();
    spool.write("left by a crash".into()).await.expect("spools");
    let spooled = spool.finish().await.expect("spools");
    let orphan = larder_blobs::BlobId::new(spooled.hash());
    images.shared.blobs.put(&orphan, spooled).await.expect("puts");
    images.close().await;
    drop(images);
    let (images, _) = open(folder.path()).await;
    assert!(images.shared.blobs.get(&orphan).await.is_err());
    assert_eq!(get(&images, "a").await, Source::Store);
}

#[tokio::test]
async fn every_variant_takes_one_of_two_decoders_per_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, _) = open(folder.path()).await;
    upload(&images, "a", 1).await;
    let decoders = &images.shared.decoders;
    let cores = std::thread::available_parallelism().expect("is known").get();
    assert_eq!(decoders.available_permits(), 2 * cores);
    let variant = |w| Variant::parse(Some(w), None, None, None).expect("a variant");
    let key = "a".parse().expect("a key");
    images.variant(&key, variant("20"), |_| true).await.expect("is made");
    assert_eq!(decoders.available_permits(), 2 * cores, "it gave its decoder back");
    // Where there is no decoder to be had, nothing is decoded.
    decoders.close();
    assert!(images.variant(&key, variant("10"), |_| true).await.is_err());
    images.variant(&key, variant("20"), |_| true).await.expect("is in memory");
}
