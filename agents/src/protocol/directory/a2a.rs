//! Agent cards of the A2A protocol, version 1.0, in and out.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::event::Card;
use crate::protocol::json::Json;

/// Why a text is no A2A agent card.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum A2aError {
    /// It is not JSON, or lacks a field that A2A requires.
    #[error("not an A2A agent card")]
    Card(#[from] serde_json::Error),
    /// Its name is empty.
    #[error("an A2A agent card has a name")]
    NoName,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct A2aCard {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    supported_interfaces: Vec<Interface>,
    /// Where A2A 0.3 had it.
    url: Option<String>,
    #[serde(default)]
    skills: Vec<Skill>,
}

#[derive(Deserialize)]
struct Interface {
    url: String,
}

#[derive(Deserialize)]
struct Skill {
    id: String,
}

impl Card {
    /// Makes a card of an A2A agent card; the ids of its skills become skills. The A2A card is kept beside it.
    ///
    /// # Errors
    /// [`A2aError`].
    pub fn from_a2a(text: &str) -> Result<Self, A2aError> {
        let A2aCard { name, description, version, supported_interfaces, url, skills } =
            serde_json::from_str(text)?;
        if name.is_empty() {
            return Err(A2aError::NoName);
        }
        let interface = supported_interfaces.into_iter().next();
        Ok(Self {
            description,
            version,
            skills: skills.into_iter().map(|skill| skill.id).collect(),
            url: interface.map(|interface| interface.url).or(url),
            a2a: Some(Json::from_text(text)?),
            ..Self::default()
        })
    }

    /// Makes an A2A agent card. What the card was imported with is kept; what it says itself comes on top.
    ///
    /// # Errors
    /// [`A2aError`] if the imported card that is kept is not an object.
    pub fn to_a2a(&self, name: &str) -> Result<String, A2aError> {
        let mut card: Map<String, Value> = match &self.a2a {
            Some(kept) => serde_json::from_str(kept.text())?,
            None => Map::new(),
        };
        card.entry("name").or_insert_with(|| json!(name));
        card.insert("description".into(), json!(self.description));
        card.insert("version".into(), json!(self.version));
        card.entry("capabilities").or_insert_with(|| json!({}));
        card.entry("defaultInputModes").or_insert_with(|| json!(["application/json"]));
        card.entry("defaultOutputModes").or_insert_with(|| json!(["application/json"]));
        let known = card.remove("skills").unwrap_or_default();
        let skills: Vec<Value> = self.skills.iter().map(|skill| describe(skill, &known)).collect();
        card.insert("skills".into(), Value::Array(skills));
        if !card.contains_key("supportedInterfaces") && !card.contains_key("url") {
            let interface =
                |url| json!({"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"});
            let interfaces: Vec<Value> = self.url.iter().map(interface).collect();
            card.insert("supportedInterfaces".into(), Value::Array(interfaces));
        }
        Ok(serde_json::to_string(&card)?)
    }
}

/// Returns what an imported card says of a skill, or the least that A2A asks for.
fn describe(skill: &str, known: &Value) -> Value {
    let known = known.as_array().into_iter().flatten();
    let mut known = known.filter(|known| known.get("id").and_then(Value::as_str) == Some(skill));
    known.next().cloned().unwrap_or_else(
        || json!({"id": skill, "name": skill, "description": skill, "tags": [skill]}),
    )
}
