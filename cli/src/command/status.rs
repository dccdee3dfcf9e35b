//! `colony status`

use std::collections::{BTreeMap, BTreeSet};

use colony_bus::log::Description;
use colony_bus::presence::Member;
use colony_bus::{Bus, EntryError, Query};
use colony_core::subject::Kind;
use colony_core::{AgentName, DocumentName, EntryKind, Timestamp};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Format, style};
use crate::progress;
use crate::show;

/// Shows the server, what an acknowledgement means there, and what the space holds.
///
/// Creates the space if it does not exist.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leaves out what must be counted by reading the whole log.
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Serialize)]
struct Status<'a> {
    space: &'a str,
    url: &'a str,
    #[serde(flatten)]
    log: &'a Description,
    tail: u64,
    agents: Vec<Member>,
    #[serde(flatten)]
    counted: Option<Counted>,
}

#[derive(Debug, Default, Serialize)]
struct Counted {
    entries: u64,
    entries_by_kind: BTreeMap<&'static str, u64>,
    unreadable: u64,
    documents: BTreeSet<DocumentName>,
    authors: BTreeMap<AgentName, u64>,
    first_recorded: Option<Timestamp>,
    last_recorded: Option<Timestamp>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let bus = context.bus().await?;
    let tail = bus.tail().await?;
    let counted = match args.quick {
        true => None,
        false => Some(count(&bus, tail.get(), context).await?),
    };
    let roster = bus.presence().roster().await;
    let status = Status {
        space: bus.space().as_str(),
        url: &context.global.server,
        log: bus.description(),
        tail: tail.get(),
        agents: roster.members.into_iter().filter(|member| member.alive).collect(),
        counted,
    };
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&status)?,
        Format::Human => output.line(describe(&status))?,
    }
    output.flush()
}

async fn count(bus: &Bus, tail: u64, context: &Context) -> Result<Counted, Failure> {
    let bar = progress::count(Some(tail), context.global.json, "counting");
    let mut counted = Counted::default();
    let mut entries = bus.read(Query::default()).await?;
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Unreadable { .. }) => {
                counted.unreadable += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        bar.set_position(entry.position.get());
        counted.entries += 1;
        *counted.entries_by_kind.entry(EntryKind::of(&entry.address).token()).or_default() += 1;
        *counted.authors.entry(entry.event().author.clone()).or_default() += 1;
        if let Some(Kind::Document(name)) = entry.kind() {
            counted.documents.insert(name.clone());
        }
        counted.first_recorded.get_or_insert(entry.recorded);
        counted.last_recorded = Some(entry.recorded);
    }
    bar.finish_and_clear();
    Ok(counted)
}

fn describe(status: &Status<'_>) -> String {
    let Status { space, url, log, tail, agents, counted } = status;
    let Description {
        identity: _,
        server,
        storage,
        replicas,
        sync,
        acknowledgement,
        max_record_bytes,
        max_atomic_records: _,
    } = log;
    let strong = style::STRONG;
    let mut lines = vec![
        format!("space            {strong}{space}{strong:#}"),
        format!("server           {server} at {url}"),
        format!("storage          {storage}, replicas {replicas}, sync {sync}"),
        format!("acknowledgement  {acknowledgement}"),
        format!("largest entry    {max_record_bytes} bytes"),
        format!("tail             {tail}"),
    ];
    if let Some(counted) = counted {
        let kinds: Vec<String> =
            counted.entries_by_kind.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        lines.push(format!("entries          {} ({})", counted.entries, kinds.join(", ")));
        if counted.unreadable > 0 {
            lines.push(format!("unreadable       {}", counted.unreadable));
        }
        lines.push(format!("authors          {}", counted.authors.len()));
        lines.push(format!("documents        {}", counted.documents.len()));
        if let (Some(first), Some(last)) = (counted.first_recorded, counted.last_recorded) {
            lines.push(format!("recorded         {} to {}", show::time(first), show::time(last)));
        }
    }
    for Member { agent, instance, status, .. } in agents {
        let doing = status.working_on.as_deref().map_or(String::new(), |on| format!(" {on}"));
        let line = format!("present          {agent}/{instance} {}{doing}", status.state);
        lines.push(show::shorten(&line));
    }
    lines.join("\n")
}
