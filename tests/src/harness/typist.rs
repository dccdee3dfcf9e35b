//! Writers of a document who keep what they were told.

use std::time::Duration;

use colony_bus::{Bus, Document, DurableEdit};
use colony_core::DocumentName;
use colony_core::document::{ChangeHash, Path, Value};
use tokio::task::JoinHandle;

use super::Progress;

/// Edits whose tickets are open at the same time.
const OPEN: usize = 16;

/// Pause before each edit beyond those that were asked for.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns the document that tests use.
pub fn notes() -> DocumentName {
    "notes".parse().unwrap()
}

/// Returns where its text is.
pub fn text() -> Path {
    "/text".parse().unwrap()
}

/// Opens the document of the tests.
pub async fn notes_of(bus: &Bus) -> Document {
    bus.document(&notes()).await.expect("the document opens")
}

/// Begins the document of the tests with an empty text.
pub async fn begin_notes(bus: &Bus) -> Document {
    let document = notes_of(bus).await;
    let begun = document.edit(|edit| edit.set(&text(), Value::Text(String::new()))).await;
    begun.expect("an edit").durable.await.expect("it is stored");
    document
}

/// Returns the text of the document of the tests.
pub fn shown(document: &Document) -> String {
    let shown = document.read(|replica| replica.view().text(&text()));
    shown.expect("it can be read").expect("it has a text")
}

/// Types characters into a document in a task, each an edit of its own.
#[derive(Debug)]
pub struct Typist {
    /// How many of the edits are acknowledged.
    pub acknowledged: Progress,
    task: JoinHandle<Vec<ChangeHash>>,
}

impl Typist {
    /// Begins to type: so many edits, and more while its progress is held.
    pub fn start(document: &Document, mark: &'static str, edits: usize) -> Self {
        let (document, acknowledged) = (document.clone(), Progress::new());
        let counted = acknowledged.clone();
        let task = tokio::spawn(async move {
            let (mut open, mut kept) = (Vec::new(), Vec::new());
            let mut number = 0;
            while number < edits || counted.goes_on(0) {
                if number >= edits {
                    // There is to be progress, not a text without end.
                    tokio::time::sleep(PAUSE).await;
                }
                // There are as many characters as this one typed, whatever others did.
                let typed = document.edit(|e| e.splice_text(&text(), number / 2, 0, mark)).await;
                let typed = typed.expect("an edit waits, and does not fail");
                open.push((typed.change.expect("it changes something"), typed.durable));
                number += 1;
                if open.len() == OPEN {
                    acknowledge(&mut open, &mut kept, &counted).await;
                }
            }
            acknowledge(&mut open, &mut kept, &counted).await;
            kept
        });
        Self { acknowledged, task }
    }

    /// Waits until everything is typed, and returns the changes that were acknowledged.
    pub async fn finish(self) -> Vec<ChangeHash> {
        self.task.await.expect("the typist did not fail")
    }
}

/// Waits for the edits that are under way, and keeps those that were stored.
async fn acknowledge(
    open: &mut Vec<(ChangeHash, DurableEdit)>,
    kept: &mut Vec<ChangeHash>,
    counted: &Progress,
) {
    for (change, durable) in open.drain(..) {
        if durable.await.is_ok() {
            kept.push(change);
        }
        counted.step();
    }
}

/// Waits until every document has everything that any of them has, and returns their text.
///
/// Fails where a change that was acknowledged is in none of them, or where texts differ.
pub async fn converged(documents: &[&Document], acknowledged: &[ChangeHash]) -> String {
    for document in documents {
        document.flush().await.expect("what was edited can be sent");
    }
    for document in documents {
        for head in document.heads().iter() {
            for other in documents {
                other.until_seen(&head).await.expect("it comes in");
            }
        }
    }
    let first = documents.first().expect("there is a document");
    let (heads, text) = (first.heads(), shown(first));
    for document in documents {
        assert_eq!((document.heads(), shown(document)), (heads.clone(), text.clone()));
        let lost = |change: &&ChangeHash| {
            !document.read(|replica| replica.contains(change)).expect("it can be read")
        };
        assert_eq!(acknowledged.iter().filter(lost).count(), 0, "acknowledged changes are lost");
    }
    text
}
