//! Running other programs.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Context, Error};
use crate::paths;

/// Returns a call of the cargo that runs us, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), paths::root())
}

/// Returns a call of `program` in `folder`.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// Runs `command` after printing it; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let line = describe(command);
    say(&format!("$ {line}"));
    let status = command.status().context(format_args!("cannot start `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{line}` failed, {status}"))) }
}

/// Runs `command` silently and returns what it printed, without the last line break.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let line = describe(command);
    let output = command.output().context(format_args!("cannot start `{line}`"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("`{line}` failed, {}\n{}", output.status, told.trim_end())));
    }
    let text =
        String::from_utf8(output.stdout).context(format_args!("`{line}` printed no text"))?;
    Ok(text.trim_end().to_owned())
}

/// Returns whether `command` can be started and succeeds; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Tells the user what happens, on the error stream: the output may be read by a program.
pub(crate) fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// The command as one would type it, its program without the folder.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let words = program.into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
