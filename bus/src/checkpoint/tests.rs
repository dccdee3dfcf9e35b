use std::collections::BTreeSet;
use std::sync::Arc;

use colony_core::replay::{Overview, OverviewState, Stories};
use colony_core::signature::SignaturePolicy;
use tempfile::TempDir;

use super::*;
use crate::log::EventLog as _;
use crate::{Bus, BusOptions, Draft, MemoryLog};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const EVENTS: u64 = 200;
const INTERVAL: u64 = 16;

fn bus(log: &MemoryLog) -> Bus {
    let options = BusOptions::new("lab".parse().unwrap(), "ada".parse().unwrap());
    Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
}

async fn publish(bus: &Bus, entity: u64) -> Result {
    let draft = Draft::new("task.done".parse()?).about(format!("task {entity}").parse()?);
    bus.publish(draft.json(&"done")?).await?.await?;
    Ok(())
}

async fn filled(identity: &str) -> Result<MemoryLog> {
    let log = MemoryLog::new(identity);
    let bus = bus(&log);
    for number in 0..EVENTS {
        publish(&bus, number % 7).await?;
    }
    Ok(log)
}

fn kept(dir: &TempDir) -> Checkpoints {
    Checkpoints::in_dir(dir.path()).with_interval(INTERVAL)
}

/// Folds up to a position; returns the state and how many entries were read for it.
async fn at(bus: &Bus, position: u64, checkpoints: &Checkpoints) -> Result<(OverviewState, u64)> {
    let mut begun = None;
    let until = Position::new(position);
    let fold = bus
        .fold(Overview, until, checkpoints, |passed| {
            begun.get_or_insert(passed);
        })
        .await?;
    let begun = begun.ok_or("nothing was told")?;
    Ok((fold.into_state(), position - begun.get()))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(dir, 3, &mut files);
    let mut paths: Vec<_> = files.into_iter().map(|file| file.path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn after_the_first_time_a_cut_reads_little_and_is_the_same() -> Result {
    let (log, dir) = (filled("log").await?, tempfile::tempdir()?);
    let (bus, kept) = (bus(&log), kept(&dir));
    assert_eq!(at(&bus, EVENTS, &kept).await?.1, EVENTS);
    for cut in 0..=EVENTS {
        let (state, read) = at(&bus, cut, &kept).await?;
        assert!(read < INTERVAL, "{read} entries for {cut}");
        assert_eq!(state, at(&bus, cut, &Checkpoints::none()).await?.0);
    }
    assert!(kept.fault().is_none());
    Ok(())
}

#[tokio::test]
async fn whichever_checkpoint_is_deleted_torn_or_swapped_the_answers_are_the_same() -> Result {
    let log = filled("log").await?;
    let bus = bus(&log);
    let anew = at(&bus, EVENTS, &Checkpoints::none()).await?.0;
    for damage in 0..4 {
        let dir = tempfile::tempdir()?;
        let kept = kept(&dir);
        at(&bus, EVENTS, &kept).await?;
        let paths = files(dir.path());
        assert!(paths.len() > 5, "{paths:?}");
        for path in paths.iter().rev() {
            let bytes = fs::read(path)?;
            match damage {
                0 => fs::remove_file(path)?,
                1 => fs::write(path, &bytes[..bytes.len() / 2])?,
                2 => fs::write(path, b"")?,
                _ => fs::write(path, fs::read(&paths[0])?)?,
            }
            assert_eq!(at(&bus, EVENTS, &kept).await?.0, anew, "{damage}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_from_before_a_loss_is_not_believed() -> Result {
    let (log, dir) = (filled("log").await?, tempfile::tempdir()?);
    let kept = kept(&dir);
    at(&bus(&log), EVENTS, &kept).await?;
    log.truncate_to(Position::new(EVENTS / 2));
    let bus = bus(&log);
    for _ in 0..EVENTS {
        publish(&bus, 99).await?;
    }
    let tail = log.tail().await?.get();
    let (state, read) = at(&bus, EVENTS, &kept).await?;
    assert!(read >= EVENTS / 2, "what was lost is not gone on from");
    assert_eq!(state, at(&bus, EVENTS, &Checkpoints::none()).await?.0);
    assert_eq!(at(&bus, tail, &kept).await?.0, at(&bus, tail, &Checkpoints::none()).await?.0);
    Ok(())
}

#[tokio::test]
async fn logs_projections_and_policies_of_signatures_do_not_share_checkpoints() -> Result {
    let (log, other, dir) = (filled("log").await?, MemoryLog::new("other"), tempfile::tempdir()?);
    let kept = kept(&dir);
    at(&bus(&log), EVENTS, &kept).await?;
    let before: BTreeSet<_> = files(dir.path()).into_iter().collect();
    publish(&bus(&other), 1).await?;
    assert_eq!(at(&bus(&other), 1, &kept).await?.0.statistics.entries, 1);

    let stories = bus(&log).fold(Stories, Position::new(EVENTS), &kept, |_| {}).await?;
    assert_eq!(stories.state().len() as u64, EVENTS);

    let mut options = BusOptions::new("lab".parse()?, "ada".parse()?);
    options.signatures = SignaturePolicy::Required;
    let strict = Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options);
    let fold = strict.fold(Overview, Position::new(EVENTS), &kept, |_| {}).await?;
    assert_eq!((fold.state().statistics.entries, fold.unreadable()), (0, EVENTS));
    let after: BTreeSet<_> = files(dir.path()).into_iter().collect();
    assert!(after.is_superset(&before));
    Ok(())
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_only_costs_time() -> Result {
    let (log, dir) = (filled("log").await?, tempfile::tempdir()?);
    let blocked = dir.path().join("file");
    fs::write(&blocked, "in the way")?;
    let kept = Checkpoints::in_dir(&blocked).with_interval(INTERVAL);
    let (state, _) = at(&bus(&log), EVENTS, &kept).await?;
    assert_eq!(state, at(&bus(&log), EVENTS, &Checkpoints::none()).await?.0);
    assert!(kept.fault().is_some());
    Ok(())
}

#[tokio::test]
async fn no_more_is_kept_than_allowed() -> Result {
    let (log, dir) = (filled("log").await?, tempfile::tempdir()?);
    let most = 6_000;
    let kept = kept(&dir).with_max_bytes(most);
    at(&bus(&log), EVENTS, &kept).await?;
    let bytes: u64 = files(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes > 0 && bytes <= most, "{bytes}");
    Ok(())
}
