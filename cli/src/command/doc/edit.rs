//! `colony doc edit`

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use colony_bus::EditOptions;
use colony_core::document::Path;
use colony_core::{DocumentName, Position};

use super::exists;
use super::write::{options, report};
use crate::context::Context;
use crate::failure::{Failure, InputError};
use crate::interrupt::Interrupt;

/// What to edit.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Opens $VISUAL or $EDITOR on the text. With --file, or where stdin is no terminal, the text becomes what the file or stdin
holds. Only what differs is written, so parts that others edit meanwhile stay as they make them.")]
pub(crate) struct Args {
    /// The document.
    name: DocumentName,
    /// The place of the text.
    #[arg(default_value = "/text")]
    path: Path,
    /// Makes the text equal to this file; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Opens this editor, whatever stdin is [default: $VISUAL, else $EDITOR, else vi].
    #[arg(long, value_name = "COMMAND", conflicts_with = "file")]
    editor: Option<OsString>,
    /// Position of the entry that is the reason.
    #[arg(long, value_name = "POSITION")]
    cause: Option<Position>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, path, file, editor, cause } = args;
    let bus = context.bus().await?;
    exists(&bus, &name).await?;
    let options = options(&bus, cause).await?;
    let document = bus.document(&name).await?;
    let (text, heads) = document.read(|replica| (replica.view().text(&path), replica.heads()))?;
    let text = text.map_err(Failure::View)?;
    let (content, options) = match file {
        Some(file) if file.as_os_str() == "-" => (read_stdin()?, options),
        Some(file) => {
            let content = std::fs::read_to_string(&file).map_err(Failure::file(&file, "read"))?;
            (content, options)
        }
        None if editor.is_none() && !std::io::stdin().is_terminal() => (read_stdin()?, options),
        // What was edited is the version that the editor showed: what others wrote since is not undone.
        None => (in_editor(&text, editor).await?, EditOptions { at: Some(heads), ..options }),
    };
    let edited = document.edit_with(options, |edit| edit.update_text(&path, &content)).await?;
    report(context, &name, edited).await
}

fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(Failure::file("stdin", "read"))?;
    Ok(std::str::from_utf8(&bytes).map_err(InputError::Utf8)?.to_owned())
}

async fn in_editor(text: &str, editor: Option<OsString>) -> Result<String, Failure> {
    // Ctrl-C is the editor's business; we stay, to remove the file.
    let _held = Interrupt::hold()?;
    let mut file = tempfile::Builder::new()
        .prefix("colony-")
        .suffix(".txt")
        .tempfile()
        .map_err(Failure::file("a temporary file", "written"))?;
    let path = file.path().to_owned();
    let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
    written.map_err(Failure::file(&path, "written"))?;
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = editor.or_else(|| ["VISUAL", "EDITOR"].into_iter().find_map(variable));
    let editor = named.unwrap_or_else(|| OsString::from("vi"));
    // As git does: the variable may hold options.
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg("exec $COLONY_EDITOR \"$1\"").arg("sh").arg(&path);
    let status = command.env("COLONY_EDITOR", &editor).status().await;
    let status = status.map_err(Failure::file(PathBuf::from(&editor), "started"))?;
    if !status.success() {
        return Err(Failure::Editor { editor: PathBuf::from(editor), status });
    }
    std::fs::read_to_string(&path).map_err(Failure::file(path, "read"))
}
