//! Running programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Context, Error};

/// Returns a call of `program` in `folder`.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// Prints `command` and runs it. Its output is not captured.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let line = describe(command);
    say(&format!("$ {line}"));
    let status = command.status().context(format_args!("cannot start `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{line}` failed: {status}"))) }
}

/// Runs `command` silently and returns its standard output without the final line break.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let line = describe(command);
    let output = command.output().context(format_args!("cannot start `{line}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let message = format!("`{line}` failed: {}\n{}", output.status, stderr.trim_end());
        return Err(Error::new(message));
    }
    let text = String::from_utf8(output.stdout)
        .context(format_args!("the output of `{line}` is not UTF-8"))?;
    Ok(text.trim_end().to_owned())
}

/// Returns whether `command` starts and succeeds. Its output is discarded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Prints a progress message to standard error: standard output may be read by a program.
pub(crate) fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// Returns the command line, without the folder of its program.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let words = program.into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
