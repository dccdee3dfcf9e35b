//! Telling authors that they edited one place without knowing of each other.

use colony_core::Digest;
use colony_core::document::Overlap;

use super::actor::agent_of;
use super::core::Core;
use super::wire::entity_of;
use crate::draft::Draft;

/// Most overlaps told of at once.
const MOST: usize = 8;

/// Publishes each overlap as mail to both authors. Called by the author of the later changes, so it is told once.
pub(super) async fn report(core: &Core, overlaps: &[Overlap]) {
    for overlap in overlaps.iter().take(MOST) {
        let mut recipients: Vec<_> = [&overlap.one, &overlap.other]
            .iter()
            .filter_map(|side| agent_of(&side.actor))
            .collect();
        recipients.dedup();
        let Some(name) = name_of(overlap) else { continue };
        for (index, recipient) in recipients.into_iter().enumerate() {
            if let Err(error) = publish(core, overlap, &name, index, recipient).await {
                tracing::warn!(document = %core.name, %error, "an overlap could not be told");
            }
        }
    }
}

async fn publish(
    core: &Core,
    overlap: &Overlap,
    name: &str,
    index: usize,
    recipient: colony_core::AgentName,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let data = serde_json::json!({ "document": core.name, "overlap": overlap });
    let draft = Draft::new("document.overlapped".parse()?)
        .id(format!("overlap-{name}-{index}").parse()?)
        .about(entity_of(&core.name))
        .to(recipient)
        .json(&data)?;
    // Whether it arrives is not waited for: the overlap itself is in the document.
    drop(core.bus.publish(draft).await?);
    Ok(())
}

/// Names an overlap by the changes and the place, so that the same one has the same name.
fn name_of(overlap: &Overlap) -> Option<String> {
    let place = (&overlap.path, &overlap.one.changes, &overlap.other.changes);
    let digest = Digest::of(&serde_json::to_vec(&place).ok()?).to_string();
    digest.get(..32).map(str::to_owned)
}
