//! `colony publish`

use colony_bus::Draft;
use colony_core::event::EventTime;
use colony_core::{AgentName, Data, EntityName, EventId, EventType, Position, Timestamp};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, InputError, NotFound};
use crate::given;
use crate::output::{Format, style};

/// Publishes an event, and waits until it is durable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony publish task.created --entity 42 --data '{\"title\": \"write the tests\"}'
  colony publish task.claimed --entity 42 --cause 17
  colony publish review.asked --to bob --data @request.json")]
pub(crate) struct Args {
    /// The type: `noun.verb`, past tense.
    #[arg(value_name = "TYPE")]
    ty: EventType,
    /// What the event is about.
    #[arg(long, value_name = "NAME")]
    entity: Option<EntityName>,
    /// Addresses the event to one agent: mail.
    #[arg(long, value_name = "AGENT")]
    to: Option<AgentName>,
    /// What is said: JSON, `@FILE`, or `-` for stdin.
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// Media type of the data. Without one, or with one of JSON, the data must be JSON.
    #[arg(long, value_name = "TYPE", requires = "data")]
    media_type: Option<String>,
    /// The event's id, unique among the agent's events [default: made at random].
    #[arg(long, value_name = "ID")]
    id: Option<EventId>,
    /// Version of the schema of the data.
    #[arg(long, value_name = "N", default_value_t = 1)]
    schema_version: u32,
    /// When it happened [default: now].
    #[arg(long, value_name = "TIME")]
    time: Option<Timestamp>,
    /// Position of the entry that this event reacts to.
    #[arg(long, value_name = "POSITION")]
    cause: Option<Position>,
    /// Id of the event that began the story [default: that of the cause].
    #[arg(long, value_name = "ID")]
    story: Option<EventId>,
    /// Publishes only if the entity's head still stands at this position, and moves it; 0 if it has none yet.
    #[arg(long, value_name = "POSITION", requires = "entity")]
    if_head: Option<Position>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { ty, entity, to, data, media_type, id, schema_version, time, cause, story, if_head } =
        args;
    let data = match data {
        Some(given) => read_data(&given, media_type)?,
        None => Data::None,
    };
    let bus = context.bus().await?;
    let id = id.unwrap_or_else(|| bus.new_id());
    let mut draft = Draft::new(ty).data(data).id(id.clone()).version(schema_version);
    if let Some(position) = cause {
        let Some(entry) = bus.get(position).await? else {
            let (space, tail) = (bus.space().to_string(), bus.tail().await?);
            return Err(NotFound::Position { position, space, tail }.into());
        };
        draft = draft.because_of(&entry);
    }
    if let Some(story) = story {
        draft = draft.in_story(story);
    }
    if let Some(time) = time {
        draft = draft.happened(EventTime::from(time));
    }
    if let Some(recipient) = to {
        draft = draft.to(recipient);
    }
    let receipt = match (entity, if_head) {
        (Some(entity), Some(last)) => bus.publish_if(draft, entity, last).await?,
        (Some(entity), None) => bus.publish(draft.about(entity)).await?.await?,
        (None, _) => bus.publish(draft).await?.await?,
    };
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "position": receipt.position,
            "id": id,
            "author": bus.agent(),
            "space": bus.space(),
        }))?,
        Format::Human => {
            let strong = style::STRONG;
            output.line(format!(
                "published at position {strong}{}{strong:#} with id {id}",
                receipt.position
            ))?;
        }
    }
    output.flush()
}

fn read_data(given: &str, media_type: Option<String>) -> Result<Data, Failure> {
    let bytes = given::bytes(given)?;
    let is_json = media_type.as_deref().is_none_or(is_json);
    let is_text = media_type.as_deref().is_some_and(|media| media.starts_with("text/"));
    if !is_json && !is_text {
        return Ok(Data::Binary { bytes: bytes.into(), content_type: media_type });
    }
    let text = std::str::from_utf8(&bytes).map_err(InputError::Utf8)?.to_owned();
    if is_text {
        return Ok(Data::Text { text, content_type: media_type });
    }
    // The line end of a file or of `echo` is not part of what is said.
    match Data::json_text(text.trim_ascii()).map_err(InputError::Data)? {
        Data::Json { text, .. } => Ok(Data::Json { text, content_type: media_type }),
        other => Ok(other),
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}
