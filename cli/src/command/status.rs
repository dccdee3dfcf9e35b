//! `colony status`

use std::collections::{BTreeMap, BTreeSet};

use colony_bus::log::Description;
use colony_bus::presence::Member;
use colony_core::replay::{Fold, Statistics, StatisticsState};
use colony_core::{AgentName, DocumentName, Timestamp};
use serde::Serialize;

use crate::cache::{self, CacheArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Format, style};
use crate::show;
use crate::source::SourceArgs;

/// Shows the server, what an acknowledgement means there, and what the space holds.
///
/// Creates the space if it does not exist.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leaves out what must be counted by reading the log.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    cache: CacheArgs,
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

#[derive(Debug, Serialize)]
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
    let checkpoints = args.cache.checkpoints(&SourceArgs::default());
    let counted = match args.quick {
        true => None,
        false => {
            let (what, until) = ("counting", tail);
            let fold = cache::fold(&bus, Statistics, until, &checkpoints, context, what).await?;
            Some(Counted::of(fold))
        }
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
    cache::warn(&checkpoints, &mut output)?;
    output.flush()
}

impl Counted {
    fn of(fold: Fold<Statistics>) -> Self {
        let unreadable = fold.unreadable();
        let StatisticsState {
            entries,
            data_bytes: _,
            kinds,
            authors,
            types: _,
            documents,
            first,
            last,
        } = fold.into_state();
        Self {
            entries,
            entries_by_kind: kinds.into_iter().map(|(kind, count)| (kind.token(), count)).collect(),
            unreadable,
            documents: documents.into_keys().collect(),
            authors,
            first_recorded: first.map(|moment| moment.recorded),
            last_recorded: last.map(|moment| moment.recorded),
        }
    }
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
