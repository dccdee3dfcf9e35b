//! Tasks made of recorded commits.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::name::NameError;
use colony_core::{EntityName, Event};
use serde::Deserialize;

use super::tasks::{TaskSet, TrialTask};
use crate::protocol::Millis;

/// How many areas of the files there are that are skills; the rest is one area.
const AREAS: usize = 8;
/// The longest that a task takes, in units of the time for a line.
const MAX_LINES: u64 = 400;

/// Why commits are no tasks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The data of an event is not that of a commit.
    #[error("the data of event {id} is not that of a commit")]
    Data {
        /// The event.
        id: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// An id is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

#[derive(Debug, Deserialize)]
struct Commit {
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    files: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    path: String,
    #[serde(default)]
    added: Option<u64>,
    #[serde(default)]
    removed: Option<u64>,
}

/// Makes each `commit.made` event a task: its parents are what it waits for, the area of the files that it changes most is the skill it
/// asks for, and it takes `line` for each line changed, at least one and at most 400.
///
/// Areas are the first folders (or the names, at the top) of the files. Agents have the skills of an author each: the areas in
/// which that author made a tenth or more of its changes; authors in the order of how much they changed.
///
/// # Errors
/// [`CommitError`].
pub fn from_commits<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    line: Millis,
) -> Result<TaskSet, CommitError> {
    let mut commits = Vec::new();
    for event in events.into_iter().filter(|event| event.ty.as_str() == "commit.made") {
        let data = event.data.to_value::<Commit>();
        let id = event.id.as_str().to_owned();
        let commit = data.map_err(|source| CommitError::Data { id, source })?;
        commits.push((event, commit));
    }
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for change in commits.iter().flat_map(|(_, commit)| &commit.files) {
        *sizes.entry(area(&change.path)).or_default() += lines(change);
    }
    let mut largest: Vec<_> = sizes.into_iter().collect();
    largest.sort_by_key(|(area, size)| (std::cmp::Reverse(*size), *area));
    let areas: BTreeSet<&str> = largest.iter().take(AREAS).map(|(area, _)| *area).collect();
    let skill = |path| match areas.get(area(path)) {
        Some(area) => (*area).to_owned(),
        None => "rest".to_owned(),
    };
    let mut authors: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let mut known: BTreeSet<EntityName> = BTreeSet::new();
    let mut tasks = Vec::new();
    for (event, commit) in &commits {
        let mut share: BTreeMap<String, u64> = BTreeMap::new();
        let made = authors.entry(event.author.as_str()).or_default();
        for change in &commit.files {
            *share.entry(skill(&change.path)).or_default() += lines(change);
            *made.entry(skill(&change.path)).or_default() += lines(change);
        }
        let changed: u64 = share.values().sum();
        let most = share.into_iter().max_by_key(|(_, lines)| *lines).map(|(skill, _)| skill);
        let name: EntityName = event.id.as_str().parse()?;
        let parents = commit.parents.iter().map(|parent| parent.parse::<EntityName>());
        let after = parents.collect::<Result<Vec<_>, _>>()?;
        let after = after.into_iter().filter(|parent| known.contains(parent)).collect();
        let takes = Millis::new(line.get().saturating_mul(changed.clamp(1, MAX_LINES)));
        known.insert(name.clone());
        tasks.push(TrialTask {
            name,
            takes,
            after,
            skills: most.into_iter().collect(),
            unclear: false,
        });
    }
    let mut authors: Vec<_> =
        authors.into_values().map(|made| (made.values().sum::<u64>(), made)).collect();
    authors.sort_by_key(|(total, _)| std::cmp::Reverse(*total));
    let skills = authors.into_iter().map(|(total, made)| {
        let much = made.into_iter().filter(|(_, lines)| lines * 10 >= total);
        much.map(|(skill, _)| skill).collect()
    });
    Ok(TaskSet { tasks, skills: skills.collect() })
}

fn area(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

fn lines(change: &Change) -> u64 {
    let changed = change.added.unwrap_or(0).saturating_add(change.removed.unwrap_or(0));
    // Far more than counts, and far less than would overflow in a sum.
    changed.min(1 << 32) + 1
}
